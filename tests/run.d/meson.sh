# SPDX-License-Identifier: MIT
# The package as its users take it. Sourced by tests/run.

# A copy of what a release holds.
copy_tree() {
    rm -rf "$1"
    mkdir -p "$1"
    tar cf - --exclude=./build --exclude=./.git . | tar xf - -C "$1"
}

meson_as_subproject() {
    local dir=$1
    rm -rf "$dir" && mkdir -p "$dir/subprojects"
    cp tests/meson/* "$dir" && copy_tree "$dir/subprojects/exec" || return 1
    meson setup "$dir/out" "$dir" && meson test -C "$dir/out" --print-errorlogs || return 1
    # as a subproject it builds nothing of its own
    ! ls "$dir/out/subprojects/exec" 2>/dev/null | grep -E 'test_|example-'
}

meson_installed() {
    local dir=$1 flags
    rm -rf "$dir"
    meson setup "$dir/out" "$dir.tree" --prefix "$dir/prefix" && meson install -C "$dir/out" || return 1
    PKG_CONFIG_PATH=$(dirname "$(find "$dir/prefix" -name exec.pc)")
    export PKG_CONFIG_PATH
    [ "$(pkg-config --modversion exec)" = "$(awk '/define EXEC_VERSION_STRING/ { gsub(/"/, "", $3); print $3 }' exec.h)" ] ||
        { echo 'pkg-config and exec.h do not say the same version'; return 1; }
    flags=$(pkg-config --cflags --libs exec)
    # shellcheck disable=SC2086
    gcc $C11 -O2 $WARN_C tests/meson/consumer.c $flags -o "$dir/consumer" && "$dir/consumer"
}

config_meson() {
    needs meson ninja pkg-config
    local dir=$BUILD/meson
    [ -e exec_net.h ] || fail 'exec_net.h is not there'
    mkdir -p "$dir"
    meson_as_subproject "$dir/consumer" || fail 'as a subproject'
    copy_tree "$dir/installed.tree"
    meson_installed "$dir/installed" || fail 'installed'
    # everything was built for itself; its tests are those of `gcc`, one shows that they can run
    ls "$dir/installed/out/test_"* >/dev/null || fail 'the tests were not built'
    counted 2
}
