# Keycloak, $folder/keycloak, built for an in-memory database, with the realm of this folder.
# Cold, on 2 cores: a minute, 0.5 GB.

VERSION=26.7.3
JAVA_NEEDED=17

command -v mvn >/dev/null || install_packages maven
found=$(java -version 2>&1 | sed -n 's/.* version "\([0-9]*\).*/\1/p')
[[ ${found:-0} -ge $JAVA_NEEDED ]] || fail "Keycloak needs Java $JAVA_NEEDED or newer, here is ${found:-none}: set PATH"

say "fetching Keycloak $VERSION"
mvn -q -B org.apache.maven.plugins:maven-dependency-plugin:3.6.1:get -Dtransitive=false \
    -Dartifact="org.keycloak:keycloak-quarkus-dist:$VERSION:zip" -Dmaven.repo.local="$folder/m2" ||
    fail "Maven could not fetch it"
python3 -m zipfile -e "$folder"/m2/org/keycloak/keycloak-quarkus-dist/$VERSION/*.zip "$folder"
mv "$folder/keycloak-$VERSION" "$folder/keycloak"
rm -rf "$folder/m2"
mkdir -p "$folder/keycloak/data/import"
cp realm.json "$folder/keycloak/data/import"
say "building it"
bash "$folder/keycloak/bin/kc.sh" build --db=dev-mem || fail "kc.sh build failed"
