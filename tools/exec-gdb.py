# SPDX-License-Identifier: MIT
"""Prints in gdb what exec_dump prints, from a live process or a core file.

    gdb -q -batch -x tools/exec-gdb.py -ex exec-dump PROGRAM CORE
    gdb -q -batch -x tools/exec-gdb.py -ex exec-dump -p PID

It reads memory only and calls nothing, unless asked to. Where each member stands comes from the
program's debug information if there is some, otherwise from the table below, which tests/run --only gdb
compares with the compiler's own. What a future waits for is decoded by the name of its type: see
WAITS_FOR, BRANCHES and DRIVERS, to which a new op or driver adds a line.
"""
import os
import re
import signal
import sys
import time

try:
    import gdb
except ImportError:
    sys.exit(__doc__)

# ------------------------------------------------------------------------------------------- layout

# The members up to the last one that is needed. p: a pointer or size; u, i: without or with sign, and
# bytes; a structure of this table; [n]: an array. ?option: only there where the program has that option,
# as the names of its layout symbols spell it (exec__layout_..._nomalloc0).
STRUCTS = {
    'exec_type': 'p poll, p describe, p branches, p name, p file',
    'exec_future': 'p type, p parent, p result, i4 resume, u2 line, u1 line_high, u1 flags',
    'exec_strand': 'p leaf, u2 flags, u1 level, u1 task_root',
    'exec__list_link': 'p next, p prev',
    'exec_task': 'exec_strand strand, p next, p store, exec__list_link list, p group, p observers',
    'exec_handle': 'p task, p next, p link, p waiter, p result, p name, u4 state',
    'exec_store': 'p exec, p release',
    'exec_cx': 'p exec, p task, p child, p branch, i4 quota, i4 entry, p pended ?debug1',
    'exec_config': 'p user, p log, p failed, p clock, i4 virtual_clock, u4 tasks_per_turn,'
                   ' u4 ops_per_poll, i8 spin_ns, i8 cleanup_ns, i8 stall_ns, i8 preempt_ns,'
                   ' p allocate ?nomalloc0, p release ?nomalloc0, p port',
    'exec_counters': 'u8 polls, u8 wakes, u8 cross_wakes, u8 parks, u8 expiries, u8 io_events,'
                     ' u8 spawned, u8 completed, u8 turns, i8 longest_turn_ns, u4 tasks',
    'exec': 'exec_cx cx, p last, i4 process, u1 turning, u1 closing, u1 stopping, u1 armed, u1 looked,'
            ' u1 generation, i4 claim_error, u4 claimed, u4 gone, p drivers, p parker, p timers, p net, p fds, p port,'
            ' p outer, p owner, exec__list_link[2] tasks, p stack ?debug1, p[2] holds ?debug1, i8 virtual_now,'
            ' i8 sweep_at, p sweep, p reap, i8 preempt_at, exec_store heap, exec_store fixed, exec_config config,'
            ' exec_counters counters',
    'exec__fd_table': 'p slots, u4 count, u4 waiting',
    'exec_driver': 'p type, p exec, p next',
    'exec_driver_type': 'p name, p next_deadline, p turn, p park, p waiting, p poll_fds, p forked, p dump',
    'exec_branches_op': 'exec_future fut, p strands, u4 count',
    'exec_handle_op': 'exec_future fut, exec_handle copy',
    # exec_timer.h
    'exec_timer_link': 'p next, p prev',
    'exec_timer': 'exec_timer_link link, i8 deadline, p task',
    'exec_timers': 'exec_driver driver, u8 now, u8 far_first, u4 levels, bits[levels] occupied,'
                   ' p[slots] slots',
    'exec_sleep_op': 'exec_future fut, exec_timer timer',
    'exec_timeout_op': 'exec_future fut, exec_timer timer, exec_strand strand',
    'exec_interval': 'exec_future fut, exec_timer timer',
    # exec_net.h
    'exec_waiter': 'p task, i4 fd, u1 interest, u1 ready, u1 linked, u1 flags',
    'exec_io': 'exec_future fut, exec_waiter waiter, p buf, p len, p done',
    'exec_signal_op': 'exec_future fut, i4 signo',
    'exec_net': 'exec_driver driver, exec__fd_table fds, u1 fixed,'
                ' p pollfds ?backend2, u4 top ?backend2, u4 changes ?backend2,'
                ' u1 no_pwait2 ?backend1, i4 epoll ?backend1, i4 wake ?backend1, p paused',
    'exec_child': 'i4 pid',
    'exec_child_op': 'exec_future fut, exec_waiter waiter, p child',
}

F_CLEANUP = 4
S_FRESH, S_DONE, T_QUEUED, T_HELD = 1, 4, 16, 1024
IO_ALL, IO_PAUSED = 1, 16
NEVER = 2**63 - 1

LINE_BYTES = 239            # exec_dump cuts there
WHAT_BYTES = 95             # and what a describe gives, there
MOST = 1000000              # members of a list that is believed
DEEPEST = 100               # combinators inside each other


class Broken(Exception):
    """What memory holds cannot be."""


def align_up(n, to):
    return (n + to - 1) // to * to


def options_of_program():
    """{option: number} that the program was compiled with, as names of its symbols say them; what they do
    not say has its default. (gdb takes __ for Ada's dot.)"""
    options = {'debug': 0, 'nomalloc': 0, 'levels': 6, 'bits': 6, 'tick': 65536, 'backend': 1}
    text = gdb.execute('info variables layout_', to_string=True)
    names = ' '.join(re.findall(r'\bexec(?:__|\.)(?:[a-z]+_)?layout_\w+', text))
    options.update((key, int(value)) for key, value in re.findall(r'_([a-z]+)(\d+)', names))
    return options


def find_member(kind, name):
    """Its offset and type, also in a member without a name; or None."""
    for member in kind.fields():
        if member.name == name:
            return member.bitpos // 8, member.type.strip_typedefs()
        inner = find_member(member.type.strip_typedefs(), name) if not member.name else None
        if inner:
            return member.bitpos // 8 + inner[0], inner[1]
    return None


class Layout:
    """Where members stand: by debug information (of C or C++), or by the table alone."""

    def __init__(self, use_debug_info=True):
        self.options = options_of_program()
        architecture = gdb.selected_inferior().architecture().name()
        self.pointer = gdb.lookup_type('void').pointer().sizeof
        # the one ABI where they are aligned to 4
        self.align_8 = 4 if self.pointer == 4 and architecture == 'i386' else 8
        self.use_debug_info = use_debug_info
        self.levels = self.options['levels']
        self.bits = self.options['bits']
        self.tick = self.options['tick']
        self.cache = {}
        self.wheel_of_debug_info()

    def wheel_of_debug_info(self):
        wheel = self.debug_type('exec_timers')
        if not wheel:
            return
        sizes = {f.name: f.type.sizeof for f in wheel.fields()}
        word = [f.type.target().sizeof for f in wheel.fields() if f.name == 'occupied'][0]
        self.levels = sizes['occupied'] // word - 1
        self.bits = (((sizes['slots'] // self.pointer - 1) // self.levels).bit_length()) - 1

    def debug_type(self, struct):
        """gdb's type of that name, if the program has debug information for it."""
        if not self.use_debug_info:
            return None
        for name in ('struct ' + struct, struct):
            try:
                found = gdb.lookup_type(name).strip_typedefs()
            except gdb.error:
                continue
            if found.code == gdb.TYPE_CODE_STRUCT and found.fields():
                return found
        return None

    def element(self, kind):
        """Size and alignment of what is no array."""
        if kind == 'p':
            return self.pointer, self.pointer
        if kind == 'bits':
            kind = 'u8' if self.bits > 5 else 'u4'
        if kind[1:].isdigit():
            size = int(kind[1:])
            return size, self.align_8 if size == 8 else size
        return self.table(kind)['']

    def holds(self, condition):
        option, number = re.fullmatch(r'\?([a-z]+)(\d+)', condition).groups()
        return self.options[option] == int(number)

    def table(self, struct):
        """{member: (offset, kind)} of the table, and '': (size, alignment)."""
        if struct in self.cache:
            return self.cache[struct]
        members, offset, widest = {}, 0, 1
        for declaration in STRUCTS[struct].split(', '):
            kind, name, *condition = declaration.split()
            if condition and not self.holds(condition[0]):
                continue
            kind, _, count = kind.rstrip(']').partition('[')
            size, align = self.element(kind)
            offset = align_up(offset, align)
            members[name] = (offset, kind)
            known = {'': 1, 'levels': self.levels + 1, 'slots': (self.levels << self.bits) + 1}
            offset += size * int(known.get(count, count))
            widest = max(widest, align)
        members[''] = (align_up(offset, widest), widest)
        self.cache[struct] = members
        return members

    def member(self, struct, name):
        """Offset, bytes of one element, kind."""
        known = self.cache.get((struct, name))
        if known:
            return known
        if name not in self.table(struct):
            raise gdb.GdbError('exec-gdb: there is no %s.%s here' % (struct, name))
        offset, kind = self.table(struct)[name]
        size = self.element(kind)[0]
        found = self.debug_type(struct)
        if found:
            at = find_member(found, name)
            if not at:
                raise gdb.GdbError('exec-gdb: the program\'s %s has no member %s: take the tools/exec-gdb.py '
                                   'of the same version as its exec.h' % (struct, name))
            offset, element = at
            if element.code == gdb.TYPE_CODE_ARRAY:
                element = element.target()
            size = element.sizeof
        self.cache[struct, name] = (offset, size, kind)
        return offset, size, kind

    def size(self, struct):
        found = self.debug_type(struct)
        return found.sizeof if found else self.table(struct)[''][0]


# ------------------------------------------------------------------------------------------- memory

class Memory:
    """Structures in the program's memory: an address, a structure's name, a path of members."""

    def __init__(self, layout):
        self.layout = layout
        self.inferior = gdb.selected_inferior()
        self.order = 'big' if 'big' in gdb.execute('show endian', to_string=True) else 'little'

    def bytes(self, address, count):
        try:
            return bytes(self.inferior.read_memory(address, count))
        except (gdb.MemoryError, OverflowError):
            raise Broken('memory at 0x%x cannot be read' % address)

    def pointer(self, address):
        return int.from_bytes(self.bytes(address, self.layout.pointer), self.order)

    def place(self, address, struct, path):
        """Address, size, kind of struct.path."""
        size, kind = 0, struct
        for name in path.split('.'):
            offset, size, kind = self.layout.member(kind, name)
            address += offset
        return address, size, kind

    def at(self, address, struct, path):
        return self.place(address, struct, path)[0]

    def get(self, address, struct, path, index=0):
        address, size, kind = self.place(address, struct, path)
        return int.from_bytes(self.bytes(address + index * size, size), self.order, signed=kind[0] == 'i')

    def text(self, address):
        """A C string, as bytes; no more of it than a line shows."""
        if not address:
            return b'?'
        got = b''
        while len(got) <= LINE_BYTES:
            part = self.bytes(address + len(got), 16 - (address + len(got)) % 16)
            end = part.find(b'\0')
            if end >= 0:
                return got + part[:end]
            got += part
        return got


# ------------------------------------------------------------------------------- what an op waits for

def time_text(dump, deadline):
    """exec__put_time: in the largest unit that leaves two digits."""
    if deadline > NEVER - dump.memory.layout.tick:
        return b'until cancelled'
    left = deadline - dump.now()
    for unit in (' ns', ' us', ' ms', ' s'):
        if -10000 < left < 10000 or unit == ' s':
            break
        left = (abs(left) // 1000) * (1 if left > 0 else -1)
    return ('until %s%d%s' % ('+' if left >= 0 else '', left, unit)).encode()


def timer_text(dump, timer):
    if not dump.memory.get(timer, 'exec_timer', 'link.next'):
        return b''
    return time_text(dump, dump.memory.get(timer, 'exec_timer', 'deadline'))


def sleep_text(dump, future):
    return timer_text(dump, dump.memory.at(future, 'exec_sleep_op', 'timer'))


def timeout_text(dump, future):
    return timer_text(dump, dump.memory.at(future, 'exec_timeout_op', 'timer'))


def interval_text(dump, future):
    return timer_text(dump, dump.memory.at(future, 'exec_interval', 'timer'))


def handle_text(dump, future):
    name = dump.memory.get(future, 'exec_handle_op', 'copy.name')
    return dump.memory.text(name) if name else b''


def io_text(dump, future):
    get = dump.memory.get
    flags = get(future, 'exec_io', 'waiter.flags')
    text = 'fd %d' % get(future, 'exec_io', 'waiter.fd')
    if flags & IO_ALL:
        text += ', %d of %d bytes' % (get(future, 'exec_io', 'done'), get(future, 'exec_io', 'len'))
    if flags & IO_PAUSED:
        text += ', paused: no descriptors left'
    return text.encode()


def signal_text(dump, future):
    number = dump.memory.get(future, 'exec_signal_op', 'signo')
    known = 'HUP INT QUIT ABRT USR1 USR2 PIPE ALRM TERM CHLD CONT TSTP TTIN TTOU KILL'.split()
    name = signal.Signals(number).name if number in set(signal.Signals) else ''
    return (name if name[3:] in known else str(number)).encode()


def child_text(dump, future):
    get = dump.memory.get
    return b'pid %d' % get(get(future, 'exec_child_op', 'child'), 'exec_child', 'pid')


def branches_of_op(dump, future):
    get = dump.memory.get
    return get(future, 'exec_branches_op', 'strands'), get(future, 'exec_branches_op', 'count')


def branch_of_timeout(dump, future):
    return dump.memory.at(future, 'exec_timeout_op', 'strand'), 1


def timers_line(dump, driver):
    memory, layout = dump.memory, dump.memory.layout
    slots = memory.at(driver, 'exec_timers', 'slots')
    armed = 0
    for at in range((layout.levels << layout.bits) + 1):
        first = memory.get(driver, 'exec_timers', 'slots', at)
        if first:
            end = slots + at * layout.pointer
            armed += sum(1 for _ in dump.follow(first, 'exec_timer_link', 'next', 'timers', end))
    line = b'%d timers' % armed
    return line + b', parks ' + time_text(dump, wheel_opens(dump, driver)) if armed else line


def wheel_opens(dump, wheel):
    """exec_timers_next: when the wheel must be looked at."""
    get, layout = dump.memory.get, dump.memory.layout
    if not get(wheel, 'exec_timers', 'levels'):
        return NEVER
    level = lowest_bit(get(wheel, 'exec_timers', 'levels'))
    if level >= layout.levels:
        return due(layout, get(wheel, 'exec_timers', 'far_first'))
    shift, slots = level * layout.bits, 1 << layout.bits
    slot = lowest_bit(get(wheel, 'exec_timers', 'occupied', level))
    now = get(wheel, 'exec_timers', 'now')
    first = get(wheel, 'exec_timers', 'slots', (level << layout.bits) + slot)
    if (first | 1) == get(first, 'exec_timer_link', 'prev'):          # odd: it is the first one's
        return due(layout, -(-get(first, 'exec_timer', 'deadline') // layout.tick))
    return due(layout, ((now >> shift) & ~(slots - 1) | slot) << shift)


def lowest_bit(bits):
    return (bits & -bits).bit_length() - 1


def due(layout, tick):
    return NEVER if tick > NEVER // layout.tick else tick * layout.tick


def net_line(dump, driver):
    get = dump.memory.get
    paused = ', accept is paused: no descriptors left' if get(driver, 'exec_net', 'paused') else ''
    return ('net: %d wait, %d slots%s' % (get(driver, 'exec_net', 'fds.waiting'),
                                         get(driver, 'exec_net', 'fds.count'), paused)).encode()


# By the type's name; only for types of the library's own files. Each gets the dump and the address.
WAITS_FOR = {
    'read': io_text,
    'write': io_text,
    'accept': io_text,
    'connect': io_text,
    'readable': io_text,
    'writable': io_text,
    'recv_from': io_text,
    'send_to': io_text,
    'recvmsg': io_text,
    'sendmsg': io_text,
    'recv_fds': io_text,
    'send_fds': io_text,
    'readv': io_text,
    'writev': io_text,
    'sendfile': io_text,
    'signal': signal_text,
    'child_wait': child_text,
    'sleep': sleep_text,
    'timeout': timeout_text,
    'after': timeout_text,
    'interval': interval_text,
    'handle_join': handle_text,
}
# The address of the first strand, and how many.
BRANCHES = {
    'select': branches_of_op,
    'select_fair': branches_of_op,
    'race': branches_of_op,
    'join': branches_of_op,
    'timeout': branch_of_timeout,
    'after': branch_of_timeout,
}
# By the driver's name: its line.
DRIVERS = {
    'timers': timers_line,
    'net': net_line,
}


# --------------------------------------------------------------------------------- calls, if asked for

class Caller:
    """Calls functions of a stopped live process, with other threads held, on its stack."""
    ROOM = 512

    def __init__(self, memory):
        self.memory = memory

    def call(self, function, types, *arguments):
        """The room that the function got as its last arguments' target, and what it returned."""
        stack = int(gdb.parse_and_eval('$sp'))
        room = (stack - self.ROOM) & ~63
        lock = gdb.parameter('scheduler-locking')
        gdb.execute('set scheduler-locking on', to_string=True)
        self.memory.inferior.write_memory(room, bytes(self.ROOM // 2))
        gdb.execute('set $sp = %d' % room)
        try:
            values = ', '.join('(void *) %d' % (room if a is self else a) for a in arguments)
            result = int(gdb.parse_and_eval('((void *(*)(%s)) %d)(%s)' % (types, function, values)))
            return room, result
        except gdb.error as error:
            raise Broken('the program\'s own function failed: %s' % error)
        finally:
            gdb.execute('set $sp = %d' % stack)
            gdb.execute('set scheduler-locking %s' % lock, to_string=True)

    def describe(self, function, future):
        room, _ = self.call(function, 'void *, void *, void *', future, self, WHAT_BYTES + 1)
        return self.memory.text(room)

    def branches(self, function, future):
        room, strands = self.call(function, 'void *, void *', future, self)
        return strands, int.from_bytes(self.memory.bytes(room, 4), self.memory.order)


# ---------------------------------------------------------------------------------------- the dump

class Dump:
    """What exec_dump prints of one executor; `caller` for types that this script does not know."""

    def __init__(self, memory, executor, caller=None):
        self.memory = memory
        self.ex = executor
        self.caller = caller
        self.clock = None

    def line(self, text):
        gdb.write(text[:LINE_BYTES].decode('utf-8', 'replace') + '\n')

    def problem(self, what):
        gdb.write('exec-gdb: %s\n' % what)

    def now(self):
        if self.clock is None:
            self.clock = self.read_clock()
        return self.clock

    def read_clock(self):
        """The executor's clock; where it cannot be read, the wheel's last look at it."""
        get = self.memory.get
        if get(self.ex, 'exec', 'config.virtual_clock'):
            return get(self.ex, 'exec', 'virtual_now')
        if is_live() and not get(self.ex, 'exec', 'config.clock'):
            return time.clock_gettime_ns(time.CLOCK_MONOTONIC)
        wheel = get(self.ex, 'exec', 'timers')
        return get(wheel, 'exec_timers', 'now') * self.memory.layout.tick if wheel else 0

    def follow(self, at, struct, member, what, end=0):
        """The addresses of a list, up to its end."""
        seen = set()
        while at != end:
            if at in seen or len(seen) >= MOST or not at:
                raise Broken('the list of %s is broken: it comes to 0x%x' % (what, at))
            seen.add(at)
            yield at
            at = self.memory.get(at, struct, member)

    def tasks(self, index):
        memory = self.memory
        end = memory.at(self.ex, 'exec', 'tasks') + index * memory.layout.size('exec__list_link')
        first = memory.get(end, 'exec__list_link', 'next')
        for link in self.follow(first, 'exec__list_link', 'next', 'tasks', end):
            yield link - memory.at(0, 'exec_task', 'list')

    def future(self, future, depth):
        get, memory = self.memory.get, self.memory
        kind = get(future, 'exec_future', 'type')
        name = memory.text(get(kind, 'exec_type', 'name'))
        file = memory.text(get(kind, 'exec_type', 'file'))
        line = get(future, 'exec_future', 'line_high') << 16 | get(future, 'exec_future', 'line')
        text = b'  ' * depth + name
        if line:
            text += b' %s:%d' % (file, line)
        text += self.waits_for(future, kind, name, file)
        if get(future, 'exec_future', 'flags') & F_CLEANUP:
            text += b' (in its cleanup)'
        self.line(text)
        if get(kind, 'exec_type', 'branches'):
            self.branches(future, kind, name, file, depth)

    def waits_for(self, future, kind, name, file):
        describe = self.memory.get(kind, 'exec_type', 'describe')
        if not describe:
            return b''
        known = WAITS_FOR.get(name.decode('utf-8', 'replace')) if is_ours(file) else None
        if known:
            return b' ' + known(self, future)[:WHAT_BYTES]
        return b' ' + self.caller.describe(describe, future) if self.caller else b''

    def branches(self, future, kind, name, file, depth):
        known = BRANCHES.get(name.decode('utf-8', 'replace')) if is_ours(file) else None
        if known:
            first, count = known(self, future)
        elif self.caller:
            function = self.memory.get(kind, 'exec_type', 'branches')
            first, count = self.caller.branches(function, future)
        else:
            self.line(b'  ' * depth + b'  (branches that exec-gdb.py does not know;'
                      b' in a live process: exec-dump /c)')
            return
        size = self.memory.layout.size('exec_strand')
        if count > MOST:
            raise Broken('%d branches at 0x%x cannot be' % (count, future))
        for strand in range(first, first + count * size, size):
            self.strand(strand, depth + 1)

    def strand(self, strand, depth):
        flags = self.memory.get(strand, 'exec_strand', 'flags')
        if flags & (S_FRESH | S_DONE):
            return
        if depth > DEEPEST:
            raise Broken('combinators stand %d deep inside each other' % depth)
        leaf = self.memory.get(strand, 'exec_strand', 'leaf')
        for future in self.follow(leaf, 'exec_future', 'parent', 'awaits'):
            self.future(future, depth)

    def state(self, task):
        get = self.memory.get
        if get(self.ex, 'exec', 'cx.task') == task:
            return b'running'
        if get(task, 'exec_task', 'strand.level'):
            return b'cancelling'
        flags = get(task, 'exec_task', 'strand.flags')
        if flags & T_HELD:
            return b'waiting'
        return b'scheduled' if flags & T_QUEUED else b'idle'

    def task(self, task):
        get, memory = self.memory.get, self.memory
        if get(get(task, 'exec_task', 'store'), 'exec_store', 'exec') != self.ex:
            raise Broken('there is no task of this executor at 0x%x' % task)
        root = task + 4 * get(task, 'exec_task', 'strand.task_root')
        line = b'task ' + memory.text(get(get(root, 'exec_future', 'type'), 'exec_type', 'name'))
        observers = get(task, 'exec_task', 'observers')
        names = [get(handle, 'exec_handle', 'name')
                 for handle in self.follow(observers, 'exec_handle', 'next', 'handles')]
        named = [name for name in names if name]
        if named:
            line += b' "' + memory.text(named[-1]) + b'"'
        self.line(line + b' ' + self.state(task))
        self.strand(memory.at(task, 'exec_task', 'strand'), 1)

    def driver(self, driver):
        get = self.memory.get
        kind = get(driver, 'exec_driver', 'type')
        name = self.memory.text(get(kind, 'exec_driver_type', 'name')).decode('utf-8', 'replace')
        if get(kind, 'exec_driver_type', 'dump') and name in DRIVERS:
            self.line(DRIVERS[name](self, driver))

    def run(self):
        """Each task by itself: where one cannot be read, the others still are."""
        count, found = self.memory.get(self.ex, 'exec', 'counters.tasks'), 0
        self.line(b'%d tasks' % count)
        for index in (0, 1):
            with Guard(self):
                for task in self.tasks(index):
                    found += 1
                    with Guard(self):
                        self.task(task)
        if found != count:
            self.problem('the lists hold %d tasks, the executor counted %d' % (found, count))
        with Guard(self):
            for driver in self.follow(self.memory.get(self.ex, 'exec', 'drivers'),
                                      'exec_driver', 'next', 'drivers'):
                with Guard(self):
                    self.driver(driver)


class Guard:
    """Says what was broken, and the dump goes on behind it."""

    def __init__(self, dump):
        self.dump = dump

    def __enter__(self):
        return self

    def __exit__(self, kind, problem, trace):
        if kind is Broken:
            self.dump.problem(problem)
        return kind is Broken


def is_ours(file):
    """A user's own type may be named `read` too: those of the headers stand in exec.h, exec_net.h, ...
    With EXEC_SMALL no type of theirs, and no coroutine, has a file; a coroutine does not get here."""
    return not file or re.match(rb'exec(_\w+)?\.h$', os.path.basename(file)) is not None


def is_live():
    """Whether it runs on this machine, so that its clock is this one."""
    return 'Native process' in gdb.execute('info files', to_string=True)


# ----------------------------------------------------------------------------- finding the executors

STACK_BYTES = 1 << 20       # looked at of each thread's stack
DATA_BYTES = 1 << 22        # and of each data section


class Finder:
    """The addresses of the executors: what threads run now; or else what looks like one."""

    def __init__(self, memory):
        self.memory = memory
        self.found = []
        self.tried = set()

    def is_executor(self, address):
        """One names itself in its context and in its stores."""
        if address < 4096 or address % self.memory.layout.pointer:
            return False
        try:
            return (self.memory.pointer(address) == address
                    and self.memory.get(address, 'exec', 'fixed.exec') == address)
        except Broken:
            return False

    def add(self, address):
        """With those that it was entered from."""
        while address and address not in self.found and self.is_executor(address):
            self.found.append(address)
            address = self.memory.get(address, 'exec', 'outer')

    def run_by_this_thread(self):
        """exec__current: each private copy of the header has its own."""
        for symbol in gdb.lookup_static_symbols('exec__current'):
            try:
                self.add(int(symbol.value(gdb.newest_frame())))
            except gdb.error:
                pass
        try:
            self.add(int(gdb.parse_and_eval('*(void **) &exec__current')))
        except gdb.error:
            pass

    def words(self, start, limit):
        """(address, value) of what can be read from there on."""
        size, order = self.memory.layout.pointer, self.memory.order
        start = align_up(start, size)
        end = start + limit
        while start < end:
            count = min(end, align_up(start + 1, 4096)) - start
            try:
                page = self.memory.bytes(start, count)
            except Broken:
                return
            for at in range(0, count - size + 1, size):
                yield start + at, int.from_bytes(page[at:at + size], order)
            start += count

    def scan(self, start, limit):
        for address, value in self.words(start, limit):
            if value == address or value not in self.tried:
                self.tried.add(value)
                self.add(value)

    def scan_thread(self):
        frame = gdb.newest_frame()
        for register in frame.architecture().registers('general'):
            try:
                self.add(int(frame.read_register(register)) & (1 << 8 * self.memory.layout.pointer) - 1)
            except (gdb.error, ValueError, TypeError):
                pass
        self.scan(int(gdb.parse_and_eval('(unsigned long) $sp')), STACK_BYTES)

    def scan_data(self):
        for start, end in re.findall(r'(0x\w+) - (0x\w+) is \.(?:data|bss)\b',
                                     gdb.execute('info files', to_string=True)):
            self.scan(int(start, 16), min(DATA_BYTES, int(end, 16) - int(start, 16)))

    def each_thread(self, action):
        selected = gdb.selected_thread()
        for thread in sorted(self.memory.inferior.threads(), key=lambda t: t.num):
            thread.switch()
            action()
        selected.switch()

    def executors(self):
        """Without debug information gdb finds one exec__current, and there may be more."""
        self.each_thread(self.run_by_this_thread)
        if not self.found or not gdb.lookup_static_symbols('exec__current'):
            self.each_thread(self.scan_thread)
            self.scan_data()
        return self.found


# ------------------------------------------------------------------------------------------ commands

class ExecDump(gdb.Command):
    """Print the tasks of an executor of exec.h, as its exec_dump does.
exec-dump [/c] [EXPRESSION]

EXPRESSION is an `exec *`, or an address; without it, the executors that threads run now, or if there
are none, those that are found on the stacks and in the data of the program.
Each task with its await chain, leaf first. Nothing in the program is changed or called. So for types
that this script does not know, which is all of your own, what they wait for is left out; with /c
their own functions are called, which needs a live process.
In a core file "until +12 ms" counts from the last time that the executor looked at its clock."""

    def __init__(self):
        super().__init__('exec-dump', gdb.COMMAND_STATUS)

    def invoke(self, argument, from_tty):
        words = argument.split(None, 1)
        calls = bool(words) and words[0] == '/c'
        expression = argument.split('/c', 1)[1].strip() if calls else argument.strip()
        if not gdb.selected_thread():
            raise gdb.GdbError('exec-dump: there is no process: give gdb a core file, or -p PID')
        if calls and not is_live():
            raise gdb.GdbError('exec-dump: /c calls functions, which needs a live process')
        try:
            self.dump(expression, calls)
        except (Broken, gdb.error) as problem:
            raise gdb.GdbError('exec-dump: %s' % problem)

    def dump(self, expression, calls):
        memory = Memory(Layout())
        finder = Finder(memory)
        executors = [self.address_of(expression)] if expression else finder.executors()
        if not executors:
            raise gdb.GdbError('exec-dump: no executor was found: give its address, exec-dump EXPRESSION')
        for executor in executors:
            if not finder.is_executor(executor):
                raise gdb.GdbError('exec-dump: there is no executor at 0x%x: it was not initialised, or is '
                                   'broken, or is of another version of exec.h' % executor)
            if len(executors) > 1:
                gdb.write('executor 0x%x\n' % executor)
            Dump(memory, executor, Caller(memory) if calls else None).run()

    @staticmethod
    def address_of(expression):
        value = gdb.parse_and_eval(expression)
        if value.type.strip_typedefs().code == gdb.TYPE_CODE_STRUCT:
            value = value.address
        return int(value)


class ExecLayout(gdb.Command):
    """Compare the layout that exec-dump assumes without debug information with the program's.
Prints each member that stands elsewhere; nothing if all is well."""

    def __init__(self):
        super().__init__('exec-layout', gdb.COMMAND_MAINTENANCE)

    def invoke(self, argument, from_tty):
        known, table = Layout(), Layout(use_debug_info=False)
        for struct in STRUCTS:
            if not known.debug_type(struct):
                gdb.write('%s: the program has no debug information for it\n' % struct)
                continue
            for name in filter(None, table.table(struct)):
                try:
                    self.compare(struct, name, known.member(struct, name), table.member(struct, name))
                except gdb.GdbError as problem:
                    gdb.write('%s\n' % problem)

    @staticmethod
    def compare(struct, name, found, assumed):
        """Of a structure inside, the table need not have the last members."""
        if found[0] != assumed[0] or (found[1] != assumed[1] and found[2] not in STRUCTS):
            gdb.write('%s.%s: offset %d and size %d, the table has %d and %d\n'
                      % (struct, name, found[0], found[1], assumed[0], assumed[1]))


ExecDump()
ExecLayout()
