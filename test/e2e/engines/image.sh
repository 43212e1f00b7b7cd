#!/usr/bin/env bash
# image.sh DIR: makes an image out of busybox-static, without a registry. DIR/rootfs.tar is for `docker import`, DIR/image.tar,
# with the tag bb:1, for `docker load`.
set -euo pipefail
dir=$1
mkdir -p "$dir"/rootfs/{bin,tmp,etc,proc,sys,dev} "$dir/image"
cp "$(command -v busybox)" "$dir/rootfs/bin/busybox"
for tool in sh sleep echo true false cat ls kill head dd tail; do ln -sf busybox "$dir/rootfs/bin/$tool"; done
echo 'root:x:0:0:root:/:/bin/sh' >"$dir/rootfs/etc/passwd"
tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -C "$dir/rootfs" -cf "$dir/rootfs.tar" .
layer=$(sha256sum "$dir/rootfs.tar" | cut -d' ' -f1)
cp "$dir/rootfs.tar" "$dir/image/layer.tar"
printf '{"architecture":"amd64","os":"linux","config":{"Cmd":["/bin/sh"],"Env":["PATH=/bin"],"Labels":{"maintainer":"tocsin"}},"rootfs":{"type":"layers","diff_ids":["sha256:%s"]},"history":[{"created":"1970-01-01T00:00:00Z"}],"created":"1970-01-01T00:00:00Z"}' "$layer" >"$dir/config"
config=$(sha256sum "$dir/config" | cut -d' ' -f1)
mv "$dir/config" "$dir/image/$config.json"
printf '[{"Config":"%s.json","RepoTags":["docker.io/library/bb:1"],"Layers":["layer.tar"]}]' "$config" >"$dir/image/manifest.json"
tar -C "$dir/image" -cf "$dir/image.tar" .
