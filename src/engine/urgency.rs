//! Threads that sound hangs on go before all others, where the system allows it: a late picture is seen
//! by few, a late block of sound is heard by everybody. They do little, and wait in between.
//!
//! Allowed to `regie.service` by `LimitRTPRIO=`, and elsewhere to whom `ulimit -r` says.

use thread_priority::unix::{set_thread_priority_and_policy, thread_native_id};
use thread_priority::{
    RealtimeThreadSchedulePolicy, ThreadPriority, ThreadPriorityValue, ThreadSchedulePolicy,
};

/// Of 1 to 99; the kernel's own threads for interrupts have 50.
const OF_SOUND: u8 = 5;

/// The calling thread, known by this name, is one of them from now on. Threads that it starts later are
/// as well: it must not start any.
pub fn go_first(name: &str) {
    let Ok(level) = ThreadPriorityValue::try_from(OF_SOUND) else {
        return;
    };
    let allowed = set_thread_priority_and_policy(
        thread_native_id(),
        ThreadPriority::Crossplatform(level),
        ThreadSchedulePolicy::Realtime(RealtimeThreadSchedulePolicy::RoundRobin),
    );
    match allowed {
        Ok(()) => tracing::debug!("{name} goes before all other threads"),
        Err(error) => tracing::debug!("{name} goes before no other thread: {error}"),
    }
}
