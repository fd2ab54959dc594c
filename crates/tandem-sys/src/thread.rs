//! What a thread asks of the scheduler.

/// Timers of this thread may be late by this much, in nanoseconds; the kernel's default is 50 microseconds.
pub const SLACK_NS: libc::c_ulong = 1_000;

/// Short sleeps of this thread end when they should.
pub fn exact_timers() {
    // SAFETY: no pointers; where it is refused, sleeps are a little longer.
    unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, SLACK_NS, 0, 0, 0) };
}
