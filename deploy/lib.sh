# Shell functions that deploy/run and tests/run share: Debian packages, servers
# unpacked beside the build, and the build itself. Sourced by bash, not run.
# shellcheck shell=bash

wal_exporter_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
wal_exporter_servers=$wal_exporter_root/build/servers

# Where ccache is there, it serves every checkout of the same sources.
export CCACHE_BASEDIR=$wal_exporter_root CCACHE_NOHASHDIR=1 CCACHE_SLOPPINESS=${CCACHE_SLOPPINESS:-pch_defines,time_macros}

wal_exporter_say() { printf '== %s\n' "$*" >&2; }
wal_exporter_fail() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

# The names in the given sections of deploy/packages.
wal_exporter_packages() {
  awk -v sections=" $* " '
    /^[[:space:]]*(#|$)/ { next }
    /^\[/ { gsub(/[][[:space:]]/, ""); wanted = index(sections, " " $0 " "); next }
    wanted { print $1 }' "$wal_exporter_root/deploy/packages" | sort -u
}

# Those of the given packages that are not installed.
wal_exporter_missing() {
  comm -23 <(printf '%s\n' "$@" | sort -u) \
    <(dpkg-query -W -f='${db:Status-Status} ${Package}\n' "$@" 2>/dev/null | awk '$1 == "installed" { print $2 }' | sort -u)
}

# Runs a command as root, by sudo where we are not. `$1` says what for.
wal_exporter_as_root() {
  local purpose=$1
  shift
  if [ "$(id -u)" -eq 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    # Without a terminal nobody could type a password: fail at once instead.
    local ask=()
    [ -t 0 ] || ask=(-n)
    sudo "${ask[@]}" "$@"
  else
    wal_exporter_fail "$purpose needs root, and there is no sudo. As root, run: $*"
  fi
}

wal_exporter_apt() {
  wal_exporter_as_root "installing Debian packages" env DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 \
    apt-get -q -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 "$@" >&2
}

wal_exporter_apt_update() {
  [ -z "${wal_exporter_updated:-}" ] || return 0
  wal_exporter_apt update || wal_exporter_fail "apt-get update failed: see above. Is the network there, and /etc/apt/sources.list right?"
  wal_exporter_updated=1
}

# Installs what the given sections name and this machine lacks; where it lacks
# nothing, this costs one look at dpkg's database.
wal_exporter_install() {
  command -v apt-get >/dev/null || wal_exporter_fail "this needs Debian 12 (there is no apt-get here)"
  local wanted missing
  mapfile -t wanted < <(wal_exporter_packages "$@")
  mapfile -t missing < <(wal_exporter_missing "${wanted[@]}")
  [ "${#missing[@]}" -gt 0 ] || return 0
  wal_exporter_say "installing ${#missing[@]} packages: ${missing[*]}"
  wal_exporter_apt_update
  wal_exporter_apt install -y --no-install-recommends "${missing[@]}" ||
    wal_exporter_fail "apt-get could not install the packages above. The names are those of Debian 12 (bookworm)."
}

# Downloads a package and unpacks it into build/servers; nothing is installed,
# and no script of the package runs.
wal_exporter_unpack_one() {
  local package=$1 sandbox=() folder
  # apt's own download user may not be able to write below a home directory.
  [ "$(id -u)" -ne 0 ] || sandbox=(-o APT::Sandbox::User=root)
  folder=$(mktemp -d "$wal_exporter_servers/.download.XXXXXX")
  if ! (cd "$folder" && apt-get -q "${sandbox[@]}" download "$package" >download.log 2>&1); then
    # No package lists yet, or lists that name a version that is gone.
    wal_exporter_apt_update
    (cd "$folder" && apt-get -q "${sandbox[@]}" download "$package" >download.log 2>&1) ||
      wal_exporter_fail "could not download $package: $(tail -n 3 "$folder/download.log")"
  fi
  dpkg -x "$folder"/*.deb "$wal_exporter_servers" || wal_exporter_fail "could not unpack $package into $wal_exporter_servers"
  rm -rf "$folder"
}

wal_exporter_library_path() { printf '%s' "$wal_exporter_servers/usr/lib/$(uname -m)-linux-gnu:$wal_exporter_servers/lib/$(uname -m)-linux-gnu"; }

# Programs in build/servers that lack a shared library.
wal_exporter_incomplete() {
  local program
  for program in "$wal_exporter_servers"/usr/bin/* "$wal_exporter_servers"/usr/sbin/*; do
    if [ ! -f "$program" ] || [ ! -x "$program" ]; then continue; fi
    if LD_LIBRARY_PATH=$(wal_exporter_library_path) ldd "$program" 2>/dev/null | grep -q 'not found'; then
      printf '%s\n' "$program"
    fi
  done
}

# Unpacks the servers that the given sections name, with the libraries they need.
wal_exporter_unpack() {
  mkdir -p "$wal_exporter_servers/.unpacked"
  (
    # Two runs at once: the second waits, and then finds everything there.
    flock 9
    local package new=()
    for package in $(wal_exporter_packages "$@"); do
      [ -e "$wal_exporter_servers/.unpacked/$package" ] && continue
      wal_exporter_say "unpacking $package (not installed, nothing is started)"
      wal_exporter_unpack_one "$package"
      new+=("$package")
    done
    [ "${#new[@]}" -gt 0 ] || exit 0
    if [ -n "$(wal_exporter_incomplete)" ]; then
      local library libraries
      libraries=$(apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces \
        --no-enhances "${new[@]}" | awk '/Depends:/ && $NF ~ /^lib/ && $NF !~ /^libjs-/ { print $NF }' | sort -u)
      # shellcheck disable=SC2086 # one name per word
      for library in $(wal_exporter_missing $libraries); do
        wal_exporter_unpack_one "$library"
      done
      [ -z "$(wal_exporter_incomplete)" ] || wal_exporter_fail "shared libraries are still missing for: $(wal_exporter_incomplete | tr '\n' ' ')"
    fi
    for package in "${new[@]}"; do : >"$wal_exporter_servers/.unpacked/$package"; done
  ) 9>"$wal_exporter_servers/.lock" || exit 1
}

# axe-core, for the test of the status page alone: into build/axe-core, out of a
# Python package that holds it. Nothing is installed.
wal_exporter_axe() {
  local folder=$wal_exporter_root/build/axe-core
  local package='axe-playwright-python==0.1.8 --hash=sha256:fdd263c998388f1a8e67cad02677e612d946248bd44d163be5e8650ea31f95f8'
  mkdir -p "$folder"
  (
    flock 9
    [ ! -e "$folder/axe.min.js" ] || exit 0
    wal_exporter_say "fetching axe-core (${package%% *})"
    cd "$folder" || exit 1
    rm -rf new && mkdir new && printf '%s\n' "$package" >new/package
    {
      /usr/bin/python3 -m pip download --no-deps --require-hashes -d new -r new/package &&
        /usr/bin/python3 -m zipfile -e new/*.whl new
    } >pip.log 2>&1 || wal_exporter_fail "pip could not fetch axe-core: $(tail -n 3 pip.log)"
    mv new/*/axe.min.js . && rm -rf new
  ) 9>"$folder/.lock" || exit 1
}

# Debian's source packages, from where this machine gets its binary ones. Empty where it has no package lists yet.
wal_exporter_sources() {
  # shellcheck disable=SC2016 # apt fills these in
  apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT) $(SIGNED_BY)' \
    'Created-By: Packages' 'Target-Of: deb' 'Origin: Debian' | sort -u |
    awk '$3 == "main" { print "deb-src " ($4 ~ /^\// ? "[signed-by=" $4 "] " : "") $1, $2, $3 }'
}

# The source of CivetWeb, as Debian's source package has it: into build/civetweb/source.
# apt checks its signature, with lists of its own, so that nothing of the machine changes.
# What is there stays, but for "renew".
wal_exporter_civetweb() {
  local folder=$wal_exporter_root/build/civetweb
  mkdir -p "$folder"
  (
    flock 9
    [ -n "${1:-}" ] || [ ! -e "$folder/source/src/civetweb.c" ] || exit 0
    wal_exporter_say "fetching the source of CivetWeb"
    cd "$folder" || exit 1
    rm -rf new && mkdir -p new/lists/partial && cd new || exit 1
    wal_exporter_sources >sources.list
    if [ ! -s sources.list ]; then
      wal_exporter_apt_update
      wal_exporter_sources >sources.list
    fi
    [ -s sources.list ] ||
      wal_exporter_fail "apt knows no package list of Debian's: run apt-get update, and look into /etc/apt/sources.list"
    local apt=(apt-get -q -o Dir::Etc::sourcelist="$PWD/sources.list" -o Dir::Etc::sourceparts=/dev/null
      -o Dir::State::Lists="$PWD/lists" -o Dir::Cache="$PWD" -o Dir::Cache::archives=. -o Acquire::Retries=3
      -o APT::Sandbox::User=)
    { "${apt[@]}" update && "${apt[@]}" source --download-only civetweb; } >log 2>&1 ||
      wal_exporter_fail "apt could not fetch the source of CivetWeb: $(tail -n 3 log)"
    dpkg-source --extract ./*.dsc source >>log 2>&1 ||
      wal_exporter_fail "dpkg-source could not unpack CivetWeb: $(tail -n 3 log)"
    rm -rf "$folder/package" && mkdir -p "$folder/package" && mv ./*.dsc ./*.tar.* "$folder/package/"
    rm -rf "$folder/source" && mv source "$folder/source" && cd "$folder" && rm -rf new
  ) 9>"$folder/.lock" || exit 1
}

# Configures the preset `$1`, quietly unless it fails; the rest goes to cmake.
wal_exporter_configure() {
  local log=$wal_exporter_root/build/$1/configure.log
  mkdir -p "${log%/*}"
  wal_exporter_civetweb ""
  (cd "$wal_exporter_root" && cmake --preset "$@") >"$log" 2>&1 || {
    cat "$log" >&2
    wal_exporter_fail "cmake could not configure the $1 preset: see above"
  }
}

# Configures where that has not been done, then builds. `$1` is a preset; the
# rest goes to the build ("--target x").
wal_exporter_build() {
  local preset=$1
  shift
  local folder=$wal_exporter_root/build/$preset
  mkdir -p "$folder"
  (
    flock 9
    [ -e "$folder/build.ninja" ] || wal_exporter_configure "$preset" -DWAL_EXPORTER_TESTS=OFF
    cmake --build "$folder" "$@" >&2
  ) 9>"$folder/.wal_exporter.lock" || wal_exporter_fail "the build of the $preset preset failed: see above"
}
