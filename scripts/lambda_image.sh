#!/usr/bin/env bash
# Build a stand-in for AWS's Lambda Python base image out of this machine's Python, for where no registry is reachable.
#
#   lambda_image.sh PYTHON REQUIREMENTS IMAGE
#
# PYTHON        interpreter to put into the image (a real one, not a virtual environment's)
# REQUIREMENTS  pins of what AWS's image has beside Python: awslambdaric and boto3
# IMAGE         name of the image
#
# Needs a Docker engine (DOCKER_HOST), uv (or $UV), and busybox or apt-get with root. Linux only.
# It is not Amazon Linux: system libraries are this machine's.
set -euo pipefail

[ $# -eq 3 ] || { echo "usage: lambda_image.sh PYTHON REQUIREMENTS IMAGE" >&2; exit 2; }
python=$1 requirements=$2 image=$3
say() { echo "lambda_image: $*" >&2; }

version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
prefix=$("$python" -c 'import sys; print(sys.base_prefix)')
stdlib=$("$python" -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')
dynload=$("$python" -c 'import sysconfig; print(sysconfig.get_config_var("DESTSHARED"))')

find_busybox() {
  local found
  found=$(command -v busybox || true)
  # Only a static one runs in an image without a libc of its own at the same place.
  if [ -n "$found" ] && ! ldd "$found" >/dev/null 2>&1; then echo "$found"; return; fi
  { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends busybox-static; } >&2 \
    || { say "busybox-static is missing and cannot be installed"; exit 1; }
  command -v busybox
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root
mkdir -p "$root"/{bin,usr/bin,usr/share,etc,lib,lib64,root,proc,sys,dev,opt,tmp} "$root"/var/{lang/bin,lang/lib,task,runtime,rapid}
chmod 1777 "$root/tmp"

# A shell and its commands.
cp "$(find_busybox)" "$root/bin/busybox"
"$root/bin/busybox" --list | while read -r applet; do
  [ "$applet" = busybox ] || ln -s busybox "$root/bin/$applet"
done
echo 'root:x:0:0:root:/root:/bin/sh' >"$root/etc/passwd"
echo 'root:x:0:' >"$root/etc/group"
echo 'hosts: files dns' >"$root/etc/nsswitch.conf"
cp -rL /etc/ssl "$root/etc/ssl" 2>/dev/null || say "no certificates of this machine's to copy"

# Python where AWS has it, without what no function needs.
cp -L "$python" "$root/var/lang/bin/python$version"
ln -s "python$version" "$root/var/lang/bin/python3"
ln -s "python$version" "$root/var/lang/bin/python"
find "$prefix/lib" -maxdepth 2 -name "libpython$version.so*" -exec cp -a {} "$root/var/lang/lib/" \;
mkdir -p "$root/var/lang/lib/python$version"
tar -C "$stdlib" --exclude=test --exclude=tests --exclude=idlelib --exclude=tkinter --exclude='config-*' \
  --exclude=ensurepip --exclude=site-packages --exclude=dist-packages -cf - . \
  | tar -C "$root/var/lang/lib/python$version" -xf -
case $dynload in
  "$stdlib"/*) ;;
  *) cp -aL "$dynload" "$root/var/lang/lib/python$version/lib-dynload" ;;
esac

# The runtime client and boto3.
"${UV:-uv}" pip install --quiet --compile-bytecode --python "$python" --target "$root/var/runtime" --requirements "$requirements"

cat >"$root/var/runtime/bootstrap" <<X
#!/bin/sh
export AWS_EXECUTION_ENV=AWS_Lambda_python$version
export PYTHONPATH="\${LAMBDA_TASK_ROOT:-/var/task}:/opt/python/lib/python$version/site-packages:/opt/python:/var/runtime\${PYTHONPATH:+:\$PYTHONPATH}"
set -- /var/lang/bin/python$version -m awslambdaric "\$_HANDLER"
if [ -n "\$AWS_LAMBDA_EXEC_WRAPPER" ]; then exec "\$AWS_LAMBDA_EXEC_WRAPPER" "\$@"; fi
exec "\$@"
X
cat >"$root/lambda-entrypoint.sh" <<'X'
#!/bin/sh
[ $# -ge 1 ] && export _HANDLER="$1"
if [ -z "$AWS_LAMBDA_RUNTIME_API" ]; then exec /var/rapid/aws-lambda-rie /var/runtime/bootstrap; fi
exec /var/runtime/bootstrap
X
chmod +x "$root/var/runtime/bootstrap" "$root/lambda-entrypoint.sh"

# Shared libraries of the interpreter and of its extension modules, and those that wheels may expect of any system
# (PEP 600: libstdc++, libgcc_s, libm, librt, libpthread, libdl, libz).
{
  find "$root/var" \( -name '*.so*' -o -path '*/bin/python3*' \) -type f -exec env LD_LIBRARY_PATH="$prefix/lib" ldd {} \; 2>/dev/null \
    | awk '/=> \//{print $3} /^\t\/lib/{print $1}' | grep -v "^$prefix/lib/libpython" || true
  ldconfig -p | awk '/lib(stdc\+\+|gcc_s|m|rt|pthread|dl|z)\.so\.[0-9]+ /{print $NF}'
} | sort -u | while read -r library; do
  [ -e "$root$library" ] && continue
  mkdir -p "$root$(dirname "$library")"
  cp -L "$library" "$root$library"
done

tar -C "$root" -cf - . | docker import \
  -c 'ENV PATH=/var/lang/bin:/usr/local/bin:/usr/bin:/bin:/opt/bin' \
  -c 'ENV LANG=C.UTF-8' \
  -c 'ENV TZ=:/etc/localtime' \
  -c 'ENV LD_LIBRARY_PATH=/var/lang/lib:/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:/var/task:/var/task/lib:/opt/lib' \
  -c 'ENV LAMBDA_TASK_ROOT=/var/task' \
  -c 'ENV LAMBDA_RUNTIME_DIR=/var/runtime' \
  -c 'WORKDIR /var/task' \
  -c 'ENTRYPOINT ["/lambda-entrypoint.sh"]' \
  - "$image" >/dev/null
