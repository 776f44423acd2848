#!/bin/sh
# Makes a certificate authority, the broker's certificate, and one for each client: an agent's name is its agent.id.
#
#   ./certificates.sh BROKER_HOST collector telegraf box-1 box-2 ...
#
# Run it again with more names to add agents; what is there is kept. Keep certificates/ca.key away from the broker.
set -eu
test $# -ge 2 || { sed -n '2,6s/^# \{0,1\}//p' "$0" >&2; exit 2; }
host=$1
shift
folder=${CERTIFICATES:-$(dirname "$0")/certificates}
mkdir -p "$folder"
cd "$folder"
umask 077

key() { openssl ecparam -name prime256v1 -genkey -noout -out "$1.key"; }

sign() { # name, subject, extension
    openssl req -new -key "$1.key" -subj "$2" -out "$1.csr"
    echo "$3" > "$1.ext"
    openssl x509 -req -in "$1.csr" -CA ca.crt -CAkey ca.key -CAcreateserial -days 825 -sha256 -extfile "$1.ext" \
        -out "$1.crt" 2>/dev/null
    rm "$1.csr" "$1.ext"
}

if ! test -f ca.key; then
    key ca
    openssl req -x509 -new -key ca.key -sha256 -days 3650 -subj "/CN=vqa-agent authority" -out ca.crt
fi
if ! test -f broker.crt; then
    key broker
    sign broker "/CN=$host" "subjectAltName=DNS:$host,DNS:localhost,DNS:mosquitto"
fi
for name; do
    case $name in *[!A-Za-z0-9_-]*) echo "the name '$name' may hold letters, digits, - and _ only" >&2; exit 2 ;; esac
    test -f "$name.crt" && continue
    key "$name"
    sign "$name" "/CN=$name" "extendedKeyUsage=clientAuth"
done
chmod 644 ./*.crt
