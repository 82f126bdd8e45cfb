# A Chromium of this machine, $folder/chromium: playwright's own download is not needed.

find_chromium() { command -v chromium || command -v chromium-browser || command -v google-chrome; }

find_chromium >/dev/null || install_packages chromium
ln -s "$(find_chromium)" "$folder/chromium"
