#!/usr/bin/env bash
# The test command: everything, offline. Where the kernel allows it, the tests run in a network namespace that has only loopback.
set -euo pipefail
cd "$(dirname "$0")/.."
# a file stays with one worker, so that what its tests share is made once
run=(python -m pytest -q -n "${SAMOVAR_TEST_WORKERS:-2}" --dist loadfile "$@")
# root keeps its users (a PostgreSQL server is started as another one); others become root of a namespace of their own
own=(--net)
[ "$(id -u)" = 0 ] || own+=(--map-root-user)
if unshare "${own[@]}" true 2>/dev/null; then
    echo "running without network (network namespace)"
    exec unshare "${own[@]}" bash -c 'ip link set lo up 2>/dev/null || python - <<PY
import fcntl, socket, struct
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
flags = struct.pack("16sh", b"lo", 0x1 | 0x40)
fcntl.ioctl(s, 0x8914, flags)
PY
exec "$@"' bash "${run[@]}"
fi
echo "this kernel allows no network namespace: running with the network as it is"
exec "${run[@]}"
