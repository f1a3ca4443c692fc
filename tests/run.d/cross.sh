# SPDX-License-Identifier: MIT
# The suite on other processors: compiled by Debian's cross compilers, run by qemu-user. Sourced by tests/run.
# Static: then it needs no libraries of the other machine (and on s390x qemu-user runs nothing else).
# What qemu-user cannot do is named by the tests themselves, with the reason: tests/emulated.h.

# configuration, which is Debian's name of it | gcc's | qemu's
CROSS='
armhf    arm-linux-gnueabihf  arm
arm64    aarch64-linux-gnu    aarch64
mipsel   mipsel-linux-gnu     mipsel
riscv64  riscv64-linux-gnu    riscv64
s390x    s390x-linux-gnu      s390x
'

# cross_of NAME: sets TRIPLET and QEMU; fails where NAME is none of those.
cross_of() {
    TRIPLET=$(echo "$CROSS" | awk -v name="$1" '$1 == name { print $2 }')
    QEMU=qemu-$(echo "$CROSS" | awk -v name="$1" '$1 == name { print $3 }')-static
    [ -n "$TRIPLET" ]
}

# What these configurations lack: a compiler is 150 MB, so only who runs them gets them.
missing_cross_packages() {
    local name
    for name in "$@"; do
        cross_of "$name" || continue
        have "$TRIPLET-gcc" || echo "gcc-$TRIPLET"
        [ -e "/usr/$TRIPLET/include/stdio.h" ] || echo "libc6-dev-$name-cross"
        have "$QEMU" || echo qemu-user-static
    done | sort -u
}

cross() { # FLAGS...
    cross_of "$CONFIG"
    needs "$TRIPLET-gcc" "$QEMU"
    export EXEC_TEST_QEMU=1 EXEC_TEST_ROUNDS=${EXEC_TEST_ROUNDS:-5000} EXEC_TEST_TREES=${EXEC_TEST_TREES:-5000} \
        EXEC_TEST_PROGRAMS=${EXEC_TEST_PROGRAMS:-5000}   # 10 times as slow
    RUNNER=("$QEMU")
    own_cmocka_suite "$TRIPLET-gcc -static" -O2 -g1 -pthread "$@"
}

config_armhf() { cross; }
config_arm64() {
    local bti=-mbranch-protection=standard cmocka="-isystem $BUILD/cmocka/include"
    # shellcheck disable=SC2086
    cross $bti && landing_pads $TRIPLET-gcc $bti $cmocka && { ! have clang ||
        landing_pads clang --target=$TRIPLET -isystem /usr/$TRIPLET/include $bti $cmocka; } &&
        finds_bare_labels $TRIPLET-gcc $cmocka
}
config_mipsel() { cross; }
config_riscv64() { cross; }
config_s390x() { cross; }
