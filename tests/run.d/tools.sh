# SPDX-License-Identifier: MIT
# What the tests need and where it comes from. Sourced by tests/run.

# command or file : Debian package, for everything and for --quick
TOOLS_QUICK='gcc:gcc /usr/include/stdio.h:libc6-dev /usr/include/cmocka.h:libcmocka-dev'
TOOLS_ALL="$TOOLS_QUICK g++:g++ clang:clang llvm-cov:llvm valgrind:valgrind strace:strace musl-gcc:musl-tools
    tcc:tcc nc:netcat-openbsd dpkg-source:dpkg-dev objdump:binutils meson:meson ninja:ninja-build
    pkg-config:pkg-config cmake:cmake make:make git:git python3:python3 gdb:gdb spin:spin
    ab:apache2-utils wrk:wrk curl:curl"

have() { command -v "$1" >/dev/null 2>&1; }
have_tool() {
    case $1 in
    /*) [ -e "$1" ] ;;
    *) have "$1" ;;
    esac
}

can_clang_sanitize() {
    local dir
    dir=$(clang -print-file-name=lib 2>/dev/null) || return 1
    ls "$dir"/linux/libclang_rt.asan* >/dev/null 2>&1
}
can_strace() { strace -o "$BUILD/strace" true 2>/dev/null; }
# Debian's gcc-multilib has a link to the second folder, and no cross compiler beside it: what it depends on will do.
M32='-m32 -idirafter /usr/include/x86_64-linux-gnu'
can_m32() {
    # shellcheck disable=SC2086
    printf '#include <errno.h>\nint main(void){return 0;}\n' | gcc $M32 -x c - -o "$BUILD/m32" >/dev/null 2>&1
}
m32_package() {
    local package
    package=$(apt-cache depends gcc-multilib 2>/dev/null | sed -n 's/.*Depends: \(gcc-[0-9]*-multilib\)$/\1/p' | head -n 1)
    echo "${package:-gcc-multilib}"
}

missing_packages() { # CONFIGURATION...
    local tools=$TOOLS_ALL tool
    [ "$MODE" = quick ] && tools=$TOOLS_QUICK
    for tool in $tools; do
        have_tool "${tool%%:*}" || echo "${tool##*:}"
    done
    [ "$MODE" = quick ] && return
    can_clang_sanitize || echo libclang-rt-dev
    # memcheck wants the names inside ld.so
    have valgrind && [ -d /usr/lib/debug/.build-id ] || echo libc6-dbg
    [ "$(uname -m)" != x86_64 ] || can_m32 || echo gcc-multilib
    case " $* " in *' clang-lto '*) have ld.lld || echo lld ;; esac
    missing_cross_packages "$@"
}

apt_get() { DEBIAN_FRONTEND=noninteractive apt-get -y "$@" </dev/null; }

# A list that cannot be fetched must not stop the others: try again, then go on with what is there.
apt_update() {
    local try
    for try in 1 2 3; do
        apt_get -q update >>"$BUILD/log/apt" 2>&1 && return
        sleep "$try"
    done
    echo 'tests/run: apt-get update reported errors (build/log/apt); going on'
}

# One package that cannot be had must not keep the others away.
apt_install() {
    local package
    apt_get -q install --no-install-recommends "$@" >>"$BUILD/log/apt" 2>&1 && return
    for package in "$@"; do
        apt_get -q install --no-install-recommends "$package" >>"$BUILD/log/apt" 2>&1 ||
            echo "tests/run: could not install $package (build/log/apt)"
    done
}

install_tools() {
    local packages
    packages=$(missing_packages "$@" | tr '\n' ' ')
    packages=${packages% }
    if [ -n "$packages" ]; then
        if have apt-get && [ "$(id -u)" = 0 ]; then
            : >"$BUILD/log/apt"
            apt_update
            packages=${packages/gcc-multilib/$(m32_package)}
            echo "tests/run: installing with apt-get: $packages"
            # shellcheck disable=SC2086
            apt_install $packages
        else
            echo "tests/run: missing; as root on Debian: apt-get install --no-install-recommends $packages"
        fi
    fi
    have gcc || die 'no gcc: nothing can be built'
    [ -e /usr/include/cmocka.h ] || die 'no cmocka: nothing can be tested (package libcmocka-dev)'
}

# ---------------------------------------------------------------------- cmocka for other C libraries

# apt-get with package lists, caches and sources of its own: the system's are not touched.
private_apt() {
    local dir=${APT_DIR:-$BUILD/apt}
    apt_get -q -o Dir::Etc::sourcelist="$dir/sources.list" -o Dir::Etc::sourceparts=- \
        -o Dir::State::lists="$dir/lists" -o Dir::Cache="$dir/cache" -o APT::Sandbox::User=root "$@"
}

# deb-src lines for each archive of Debian that the system uses (or the main one).
private_sources() {
    local keyring=/usr/share/keyrings/debian-archive-keyring.gpg by='' site suite
    [ -e $keyring ] && by="[signed-by=$keyring] "
    apt-get indextargets --format '$(SITE) $(CODENAME)' 'Created-By: Packages' 2>/dev/null |
        grep '/debian ' | sort -u | while read -r site suite; do
        echo "deb-src $by$site $suite main"
    done | grep . || echo "deb-src ${by}http://deb.debian.org/debian bookworm main"
}

fetch_cmocka() {
    local dir=$BUILD/apt
    mkdir -p "$dir/lists/partial" "$dir/cache/archives/partial"
    private_sources >"$dir/sources.list"
    private_apt update || private_apt update || true
    (cd "$dir" && private_apt source --download-only cmocka && rm -rf "$BUILD/cmocka.part" &&
        dpkg-source -x cmocka_*.dsc "$BUILD/cmocka.part") || return 1
    mv "$BUILD/cmocka.part" "$BUILD/cmocka"
}

# The source package of cmocka in build/cmocka. One at a time: two configurations want it.
cmocka_source() {
    (
        flock 9
        [ -e "$BUILD/cmocka/src/cmocka.c" ] || fetch_cmocka
    ) 9>"$BUILD/cmocka.lock"
}

# cmocka_for NAME CC FLAGS...: build/cmocka-NAME.o, with what cmake would have found out.
cmocka_for() {
    local name=$1 dir=$BUILD/cmocka-$1 has
    shift
    cmocka_source || return 1
    [ -e "$dir.o" ] && return
    mkdir -p "$dir"
    for has in CLOCK_GETTIME CLOCK_REALTIME STRUCT_TIMESPEC INTTYPES_H SETJMP_H SIGNAL_H STDINT_H \
        STRINGS_H TIME_H GCC_THREAD_LOCAL_STORAGE; do
        echo "#define HAVE_$has 1"
    done >"$dir/config.h"
    "$@" -O1 -D_GNU_SOURCE -DHAVE_CONFIG_H -I"$dir" -I"$BUILD/cmocka/include" \
        -w -c "$BUILD/cmocka/src/cmocka.c" -o "$dir.o"
}
