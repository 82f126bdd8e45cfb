# oidc-provider, a certified OpenID Connect provider, and server.js, which sets it up for the tests.

command -v npm >/dev/null || install_packages nodejs npm
cp package.json package-lock.json server.js "$folder"
(cd "$folder" && npm ci --silent --ignore-scripts --no-audit --no-fund) || fail "npm could not install it"
