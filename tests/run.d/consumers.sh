# SPDX-License-Identifier: MIT
# The package as its users take it: the projects in tests/consumers, each with the same program.
# Nothing is fetched but from this machine. Sourced by tests/run.

# A copy of what a release holds.
copy_tree() {
    rm -rf "$1"
    mkdir -p "$1"
    tar cf - --exclude=./build --exclude=./.git . | tar xf - -C "$1"
}

# The same as a repository, which is file://DIR to who clones it.
copy_repository() {
    local name
    for name in $(git rev-parse --local-env-vars); do unset "$name"; done
    copy_tree "$1" && git -C "$1" init -q && git -C "$1" add -A &&
        git -C "$1" -c user.name=tests -c user.email=tests@localhost -c commit.gpgsign=false commit -q -m tree
}

# consumer NAME DIR: the project, with its program.
consumer() {
    rm -rf "$2"
    mkdir -p "$2"
    cp tests/consumers/main.c "tests/consumers/$1"/* "$2"
}

version() { awk '/^#define EXEC_VERSION_STRING/ { gsub(/"/, "", $3); print $3 }' exec.h; }

# Every header, and nothing else.
installed_headers() { # PREFIX
    diff <(cd "$1/include" && sha256sum -- *) <(sha256sum exec*.h)
}

config_versions() {
    local bad=0 n=0 file found version
    version=$(version)
    while read -r file found; do
        n=$((n + 1))
        [ "$found" = "$version" ] && continue
        echo "FAIL: exec.h is version $version, $file says: $found"
        bad=1
    done <<END
meson.build $(sed -n "s/^  version: '\(.*\)',/\1/p" meson.build)
CMakeLists.txt $(sed -n 's/^project(exec VERSION \([^ ]*\).*/\1/p' CMakeLists.txt)
CHANGELOG.md $(sed -n 's/^What will be \(.*\)\.$/\1/p; s/^## \[\([0-9].*\)\].*/\1/p' CHANGELOG.md | head -n 1)
README.md $(sed -n 's/.*Version \([0-9.]*[0-9]\).*/\1/p' README.md)
END
    # what private copies share is of one minor version
    version=${version%.*}
    if grep -o 'exec__signal_[a-z_]*_v[0-9_]*' exec_net.h | grep -v "_v${version/./_}\$"; then
        echo "FAIL: exec_net.h has symbols of another version than $version"
        bad=1
    fi
    counted $((n + 1))
    [ $bad -eq 0 ]
}

# ----------------------------------------------------------------------------- meson and pkg-config

meson_test() { # DIR WHERE FROM: forcefallback is a subproject, nofallback what is installed
    meson setup --wrap-mode "$2" "$1/out" "$1" && meson test -C "$1/out" --print-errorlogs
}

meson_subproject() {
    local dir=$1
    consumer meson "$dir" && copy_tree "$dir/subprojects/exec" && meson_test "$dir" forcefallback || return 1
    # as a subproject it builds nothing of its own
    ! ls "$dir/out/subprojects/exec" 2>/dev/null | grep -E 'test_|example-'
}

# packaging/exec.wrap as a user completes it. As it stands it fetches nothing from anybody.
meson_wrap() {
    local dir=$1
    copy_repository "$dir.git" && consumer meson "$dir" && mkdir "$dir/subprojects" || return 1
    grep -q '^url = https://[a-z]*\.invalid/' packaging/exec.wrap ||
        { echo 'the test does not know this wrap file'; return 1; }
    sed "s|^url = .*|url = file://$dir.git|" packaging/exec.wrap >"$dir/subprojects/exec.wrap"
    meson_test "$dir" forcefallback
}

meson_installed() {
    local dir=$1
    rm -rf "$dir"
    copy_tree "$dir.tree"
    meson setup "$dir/out" "$dir.tree" --prefix "$dir/prefix" && meson install -C "$dir/out" &&
        installed_headers "$dir/prefix" || return 1
    # nothing was built for that; its tests are those of `gcc`, one shows that they can run
    ! ls "$dir/out" | grep -E '^(test_|example-)' || { echo 'meson install built what it does not install'; return 1; }
    meson setup --reconfigure -Dtests=true "$dir/out" && meson test -C "$dir/out" --list | grep -q test_executor &&
        ninja -C "$dir/out" example-echo test_executor &&
        meson test -C "$dir/out" --no-rebuild --print-errorlogs test_executor
}

# pkg_config_serves DIR PREFIX: what was installed there says its version, and serves a Makefile.
pkg_config_serves() {
    local found
    export PKG_CONFIG_PATH=$2/share/pkgconfig
    found=$(pkg-config --modversion exec)
    [ "$found" = "$(version)" ] || { echo "pkg-config says version $found, exec.h $(version)"; return 1; }
    consumer pkg-config "$1" && make -C "$1" check
}

pkg_config() {
    pkg_config_serves "$1" "$2" && consumer meson "$1.meson" && meson_test "$1.meson" nofallback
}

config_meson() {
    needs meson ninja pkg-config make git
    local dir=$BUILD/meson
    mkdir -p "$dir"
    meson_subproject "$dir/subproject" || fail 'as a subproject'
    meson_wrap "$dir/wrap" || fail 'by packaging/exec.wrap'
    meson_installed "$dir/installed" || fail 'installed'
    pkg_config "$dir/pkg-config" "$dir/installed/prefix" || fail 'by pkg-config'
    counted 4
}

# -------------------------------------------------------------------------------------------- cmake

# cmake_test DIR OPTIONS...: a warning of cmake's is a failure.
cmake_test() {
    local dir=$1
    shift
    # shellcheck disable=SC2086,SC2116      # the warnings on one line
    cmake -G Ninja -Werror=dev -DCMAKE_C_FLAGS="$C11 $(echo $WARN_C)" "$@" -S "$dir" -B "$dir/out" 2>"$dir/warnings" &&
        cmake --build "$dir/out" && (cd "$dir/out" && ctest --output-on-failure) || { cat "$dir/warnings"; return 1; }
    [ ! -s "$dir/warnings" ] || { cat "$dir/warnings"; return 1; }
}

# In another's tree it installs nothing, unless asked to.
cmake_subdirectory() {
    local dir=$1
    consumer cmake-subdirectory "$dir" && copy_tree "$dir/exec" && cmake_test "$dir" &&
        cmake --install "$dir/out" --prefix "$dir/nothing" || return 1
    [ ! -e "$dir/nothing" ] || { echo 'it installed:'; find "$dir/nothing"; return 1; }
}

cmake_fetch() {
    local dir=$1
    copy_repository "$dir.git" && consumer cmake-fetch "$dir" && cmake_test "$dir" "-DEXEC_REPOSITORY=file://$dir.git"
}

cmake_installed() {
    local dir=$1
    rm -rf "$dir"
    copy_tree "$dir.tree"
    cmake -G Ninja -Werror=dev -S "$dir.tree" -B "$dir/out" && cmake --build "$dir/out" &&
        cmake --install "$dir/out" --prefix "$dir/prefix" && installed_headers "$dir/prefix"
}

# Of this minor version: before 1.0 a newer one is another interface, and serves nobody who wants an older.
cmake_package() {
    local dir=$1 prefix=$2 version minor
    version=$(version)
    minor=${version#*.} minor=${minor%.*}
    consumer cmake-package "$dir" &&
        cmake_test "$dir" -DEXEC_WANTED="${version%.*}" -DCMAKE_PREFIX_PATH="$prefix" || return 1
    rm -rf "$dir/out"
    ! cmake_test "$dir" -DEXEC_WANTED="${version%%.*}.$((minor - 1))" -DCMAKE_PREFIX_PATH="$prefix" >"$dir/log" 2>&1 &&
        grep -q 'exec-config.cmake, version: '"$version" "$dir/log"
}

# The file of cmake's install; also where the prefix was moved to.
pkg_config_of_cmake() {
    rm -rf "$1.prefix"
    cp -R "$2" "$1.prefix"
    pkg_config_serves "$1" "$1.prefix"
}

config_cmake() {
    needs cmake ninja git pkg-config make
    local dir=$BUILD/cmake
    mkdir -p "$dir"
    cmake_subdirectory "$dir/subdirectory" || fail 'by add_subdirectory'
    cmake_fetch "$dir/fetch" || fail 'by FetchContent'
    cmake_installed "$dir/installed" || fail 'installed'
    cmake_package "$dir/package" "$dir/installed/prefix" || fail 'by find_package'
    pkg_config_of_cmake "$dir/pkg-config" "$dir/installed/prefix" || fail 'by pkg-config'
    counted 5
}
