# What the scripts of this folder share. To be sourced.

has() { command -v "$1" >/dev/null 2>&1; }

as_root() {
  if [[ "$(id -u)" -eq 0 ]]; then
    "$@"
  elif has sudo; then
    sudo "$@"
  else
    echo "this needs root: $*" >&2
    return 1
  fi
}

# Installs packages of Debian's: from_debian PACKAGE...
from_debian() {
  as_root apt-get update -qq
  # A machine that dies meanwhile is set up anew: nothing has to be on the disk before it goes on.
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
    -o Dpkg::Options::=--force-unsafe-io "$@" >/dev/null
}
