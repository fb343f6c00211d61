# What natives.properties says of the libraries in a folder. stage.sh writes it, merge.sh compares it with what came from elsewhere.

sha256() { if command -v sha256sum >/dev/null; then sha256sum "$@"; else shasum -a 256 "$@"; fi; }

# The lines for the libraries of the current folder: the hash of all of them, then each with its size and checksum.
describe_libraries() {
    list=$(LC_ALL=C ls -A | grep -v -x natives.properties)
    echo "hash=$(sha256 $list | sha256 | cut -d ' ' -f 1)"
    for file in $list; do
        echo "file.$file=$(wc -c < "$file" | tr -d ' ') $(sha256 "$file" | cut -d ' ' -f 1)"
    done
}
