#!/usr/bin/env bash
# docker-life-cycle.sh DOCKER_HOST IMAGE_DIR: what can happen to containers, images, volumes and networks, without a network.
# Some commands fail, and are meant to.
export DOCKER_HOST=$1
images=$2
docker import "$images/rootfs.tar" bb:imp
docker load -i "$images/image.tar"
docker tag bb:1 bb:2
docker rmi bb:2
docker save bb:1 -o "$images/saved.tar"
docker pull nosuch.invalid/x:1
docker network create -d bridge --internal br0x
docker volume create --label v=1 vol1
docker create --name c1 --network none -m 20m --label app=web --label 'weird.key=a,b=(c) "q" <&>' -v vol1:/data -e A=1 \
  bb:1 /bin/sh -c 'trap "exit 7" TERM; while :; do sleep 0.1; done'
docker start c1
docker exec c1 /bin/sh -c 'exit 3'
docker exec -d c1 /bin/sleep 1
docker pause c1
docker unpause c1
docker rename c1 c1new
docker update -m 30m --memory-swap 30m c1new
docker kill -s HUP c1new
docker cp c1new:/etc/passwd "$images/passwd"
docker cp "$images/passwd" c1new:/tmp/p
docker export c1new -o "$images/export.tar"
docker commit -m hello c1new bb:committed
docker top c1new
docker restart -t 2 c1new
docker stop -t 3 c1new
docker start c1new
docker kill c1new
docker wait c1new
docker rm c1new
docker run --rm --network none --name fail1 bb:1 /bin/sh -c 'exit 42'
docker run --rm --network none --name nocmd bb:1 /nonexistent
docker run --rm --network none --name oomer -m 8m bb:1 /bin/sh -c 'x=aaaaaaaaaaaaaaaa; while true; do x=$x$x; done'
docker run -d --network none --name h1 --health-cmd true --health-interval 1s bb:1 /bin/sleep 100
sleep 3.5
docker rm -f h1
docker run -d --network none --name ar --restart on-failure:1 bb:1 /bin/sh -c 'exit 5'
sleep 1.5
docker rm -f ar
docker volume rm vol1
docker network rm br0x
docker rmi bb:committed bb:imp
docker container prune -f
docker image prune -f
docker volume prune -f
docker network prune -f
exit 0
