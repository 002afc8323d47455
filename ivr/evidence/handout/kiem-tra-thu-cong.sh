#!/bin/bash
# Kiểm tra thư mục này chỉ bằng sha256sum và openssl (bản 3), không cần chương trình nào khác.
# Check this folder with sha256sum and openssl (version 3) alone; no other program is needed.
#
#   bash data/kiem-tra-thu-cong.sh        chạy trong thư mục có bagit.txt / in the folder of bagit.txt
#
# Bạn có thể đọc và gõ từng dòng lệnh bằng tay. / You may read and type each line by hand.
set -eu
export LC_ALL=C.UTF-8
work=$(mktemp -d)
trap 'rm -r "$work"' EXIT
b64url() { openssl base64 -A | tr '+/' '-_' | tr -d '='; }
fromb64url() {  # pads, then decodes
  text=$(tr -- '-_' '+/')
  while [ $(( ${#text} % 4 )) -ne 0 ]; do text="$text="; done
  printf '%s' "$text" | openssl base64 -d -A
}
member() { sed -n 's/.*"'"$2"'":"\([A-Za-z0-9_-]*\)".*/\1/p' "$1"; }
fingerprint() { openssl pkey -pubin -in "$1" -outform DER | sha256sum | cut -c -64; }
key_of() {  # key_of JWS: the public key that it names, which is that of the seal or a later one
  kid=$(member "$1" protected | fromb64url | sed 's/.*"kid":"\([0-9a-f]*\)".*/\1/')
  cp data/site.pub.pem "$work/key.pem"
  if [ "$kid" != "$(fingerprint data/site.pub.pem)" ]; then
    echo "   khóa khác, trong data/keyring.jsonl (verifier.py kiểm tra) / another key, of the keyring: $kid"
    while IFS= read -r line; do
      printf '%s' "$line" > "$work/line"
      printf '%b' "$(member "$work/line" payload | fromb64url |
        sed 's/.*"public_pem":"\([^"]*\)".*/\1/')" > "$work/key.pem"
      if [ "$kid" = "$(fingerprint "$work/key.pem")" ]; then break; fi
    done < data/keyring.jsonl
  fi
  test "$kid" = "$(fingerprint "$work/key.pem")"
}
signed() {  # signed JWS FILE TYPE: the signature in JWS is over FILE, for that use
  key_of "$1"
  header=$(member "$1" protected | fromb64url)
  printf '%s' "$header" | grep -q '"typ":"'"$3"'"'
  printf '%s.%s' "$(member "$1" protected)" "$(b64url < "$2")" > "$work/signed"
  member "$1" signature | fromb64url > "$work/signature"
  case $header in
    *'"alg":"Ed25519"'*)
      openssl pkeyutl -verify -pubin -inkey "$work/key.pem" -rawin \
        -in "$work/signed" -sigfile "$work/signature" ;;
    *'"alg":"RS256"'*)
      openssl dgst -sha256 -verify "$work/key.pem" -signature "$work/signature" "$work/signed" ;;
    *'"alg":"ES256"'*)  # openssl muốn hai số ở dạng DER / openssl wants the two numbers in DER
      hex=$(od -An -v -tx1 "$work/signature" | tr -d ' \n')
      printf 'asn1=SEQUENCE:both\n[both]\nr=INTEGER:0x%s\ns=INTEGER:0x%s\n' \
        "$(printf '%s' "$hex" | cut -c -64)" "$(printf '%s' "$hex" | cut -c 65-)" > "$work/der.cnf"
      openssl asn1parse -genconf "$work/der.cnf" -noout -out "$work/der"
      openssl dgst -sha256 -verify "$work/key.pem" -signature "$work/der" "$work/signed" ;;
    *) echo "$1: thuật toán lạ / unknown algorithm" >&2; return 1 ;;
  esac
}

echo "1. Mọi tệp có đúng mã SHA-256 / every file has the stated SHA-256"
sha256sum --check --strict --quiet tagmanifest-sha256.txt
sha256sum --check --strict --quiet manifest-sha256.txt

echo "2. Không có tệp nào thêm vào / no file was added"
find data -type f | sort > "$work/there"
cut -c 67- manifest-sha256.txt | sort > "$work/stated"
diff "$work/stated" "$work/there"

echo "3. Chữ ký trên thư mục giao nộp / the signature over this folder"
signed bag.jws tagmanifest-sha256.txt ivr-bag

echo "4. Chữ ký niêm phong vụ việc / the signature that seals the case"
case=$(dirname data/*/manifest.jws)
cmp data/site.pub.pem "$case/signer.pem"
signed "$case/manifest.jws" "$case/manifest.json" ivr-manifest

echo "5. Mọi tệp của vụ việc đúng như khi niêm phong / every file of the case is as it was sealed"
grep -o '"path":"[^"]*","role":"[^"]*","sha256":"[0-9a-f]*"' "$case/manifest.json" |
  sed 's/"path":"\([^"]*\)".*"sha256":"\([0-9a-f]*\)"/\2  \1/' > "$work/sums"
test -s "$work/sums"
(cd "$case" && sha256sum --check --strict --quiet "$work/sums")

echo "6. Dấu vân tay của khóa (hỏi bên lập hồ sơ) / fingerprint of the key (ask who made this)"
fingerprint data/site.pub.pem
echo "KẾT QUẢ: đúng như khi niêm phong. / RESULT: as it was sealed."
