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
signed() {  # signed JWS FILE TYPE: the signature in JWS is over FILE, by the key, for that use
  printf '%s.%s' "$(member "$1" protected)" "$(b64url < "$2")" > "$work/signed"
  member "$1" signature | fromb64url > "$work/signature"
  openssl pkeyutl -verify -pubin -inkey data/site.pub.pem -rawin \
    -in "$work/signed" -sigfile "$work/signature"
  member "$1" protected | fromb64url | grep -q '"typ":"'"$3"'"'
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
openssl pkey -pubin -in data/site.pub.pem -outform DER | sha256sum | cut -c -64
echo "KẾT QUẢ: đúng như khi niêm phong. / RESULT: as it was sealed."
