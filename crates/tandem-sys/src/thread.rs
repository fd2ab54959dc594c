//! What a thread asks of the scheduler.

/// Timers of this thread may be late by this much, in nanoseconds; the kernel's default is 50 microseconds.
pub const SLACK_NS: libc::c_ulong = 1_000;
/// How long it wants to run in one piece, in nanoseconds; the least that the kernel takes. Its default is 3 milliseconds.
pub const SLICE_NS: u64 = 100_000;

/// The kernel's `struct sched_attr`, first version.
#[repr(C)]
struct Attributes {
    size: u32,
    policy: u32,
    flags: u64,
    nice: i32,
    priority: u32,
    runtime: u64,
    deadline: u64,
    period: u64,
}

/// For a thread that does little at a time and must do it soon: its short sleeps end when they should, and with a short slice
/// (Linux 6.12 and later, sched_setattr(2)) it is not left waiting until another program has used up its own. It gets no more of the
/// processor than before, and needs no privilege.
pub fn prompt() {
    // SAFETY: no pointers; where it is refused, sleeps are a little longer.
    unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, SLACK_NS, 0, 0, 0) };
    // SAFETY: getpriority has no pointers.
    let nice = unsafe { libc::getpriority(libc::PRIO_PROCESS, 0) };
    let attributes = Attributes {
        size: size_of::<Attributes>() as u32,
        policy: libc::SCHED_OTHER as u32,
        flags: 0,
        nice,
        priority: 0,
        runtime: SLICE_NS,
        deadline: 0,
        period: 0,
    };
    // SAFETY: the struct lives through the call and says its own size; an older kernel refuses or ignores the slice.
    unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0) };
}
