//! What has gone into a connection and has not been taken by the peer: how far behind it is, in time
//! and in pictures. Pure; filled on the streaming thread, judged on the engine thread.
//!
//! That an element has taken a frame says little: the kernel holds megabytes, which at a low rate
//! are half a minute. What counts is what the peer's kernel has acknowledged, and, where its window
//! only closes, what lies there unread.

use std::collections::VecDeque;
use std::time::Duration;

use crate::engine::netlink::tcp::Wire;

/// From the stamp of a frame to its way into the connection: encoder and muxer. Less where less was
/// seen; the start of a session, with frames that waited for it, does not count as usual.
const USUAL: gst::ClockTime = gst::ClockTime::from_mseconds(800);
/// More tags are never kept: half a minute of them.
const MOST: usize = 4096;

/// Everything of one session. Byte counts are FLV's, which are RTMP's but for one in a hundred.
#[derive(Debug)]
pub struct Trail {
    /// Not yet taken by the peer, oldest first.
    tags: VecDeque<Tag>,
    /// Since the session began: tags, pictures, bytes.
    count: u64,
    pictures: u64,
    bytes: u64,
    /// Least time from a tag's stamp to its way in.
    usual: gst::ClockTime,
    /// The stamp of the last tag that had one.
    stamp: Option<gst::ClockTime>,
}

#[derive(Debug)]
struct Tag {
    /// Bytes of the session up to its end.
    end: u64,
    stamp: gst::ClockTime,
    picture: bool,
}

impl Default for Trail {
    fn default() -> Self {
        Self {
            tags: VecDeque::new(),
            count: 0,
            pictures: 0,
            bytes: 0,
            usual: USUAL,
            stamp: None,
        }
    }
}

impl Trail {
    /// A tag goes in. `stamp` and `now` are running time.
    pub fn enter(
        &mut self,
        size: usize,
        picture: bool,
        stamp: Option<gst::ClockTime>,
        now: gst::ClockTime,
    ) {
        self.count += 1;
        self.pictures += u64::from(picture);
        self.bytes += size as u64;
        if let Some(stamp) = stamp {
            self.usual = self.usual.min(now.saturating_sub(stamp));
            self.stamp = Some(stamp);
        }
        if self.tags.len() == MOST {
            self.tags.pop_front();
        }
        self.tags.push_back(Tag {
            end: self.bytes,
            // Headers have no stamp, and come first.
            stamp: self.stamp.unwrap_or(now),
            picture,
        });
    }

    /// All but the last `outstanding` bytes have been taken.
    pub fn confirm(&mut self, outstanding: u64) {
        let taken = self.bytes.saturating_sub(outstanding);
        while self.tags.front().is_some_and(|tag| tag.end <= taken) {
            self.tags.pop_front();
        }
    }

    /// Tags that went in.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Pictures that went in, and how many of these the peer has not taken.
    pub fn pictures(&self) -> (u64, u64) {
        let left_over = self.tags.iter().filter(|tag| tag.picture).count();
        (self.pictures, left_over as u64)
    }

    /// Bytes that went in.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// How much later than usual the oldest of what has not been taken is by now.
    pub fn behind(&self, now: gst::ClockTime) -> Duration {
        self.tags.front().map_or(Duration::ZERO, |oldest| {
            now.saturating_sub(oldest.stamp)
                .saturating_sub(self.usual)
                .into()
        })
    }
}

/// What a peer's kernel has taken and its program has not. The kernel does not tell; but of a
/// program that does not read, the window closes by what arrives, and opens never.
#[derive(Debug, Default)]
pub struct Unread {
    bytes: u64,
    last: Option<Wire>,
}

impl Unread {
    /// The next look at the connection; answers the bytes that are known to lie unread.
    pub fn look(&mut self, wire: Wire) -> u64 {
        if let Some(last) = self.last.replace(wire)
            && let Some((before, after)) = last.window.zip(wire.window)
        {
            let arrived = wire.acked.saturating_sub(last.acked);
            let closed = u64::from(before.saturating_sub(after));
            if after > before || (arrived > 0 && closed == 0) {
                self.bytes = 0;
            } else {
                self.bytes += closed.min(arrived);
            }
        }
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(n: u64) -> gst::ClockTime {
        gst::ClockTime::from_mseconds(n)
    }

    /// Ten pictures of 100 bytes, 100 ms apart, each 300 ms old when it goes in.
    fn trail() -> Trail {
        let mut trail = Trail::default();
        trail.enter(50, false, None, ms(300));
        for n in 0..10 {
            trail.enter(100, true, Some(ms(n * 100)), ms(n * 100 + 300));
        }
        trail
    }

    #[test]
    fn what_has_been_taken_is_not_behind() {
        let mut trail = trail();
        trail.confirm(0);
        assert_eq!(trail.behind(ms(60_000)), Duration::ZERO);
        assert_eq!(
            (trail.count(), trail.pictures(), trail.bytes()),
            (11, (10, 0), 1050)
        );
    }

    #[test]
    fn the_oldest_that_has_not_been_taken_tells_how_far_it_is_behind() {
        let mut trail = trail();
        // A byte of the eighth picture is missing: it counts whole.
        trail.confirm(201);
        assert_eq!(trail.pictures(), (10, 3));
        assert_eq!(trail.behind(ms(1000)), Duration::ZERO);
        assert_eq!(trail.behind(ms(4000)), Duration::from_millis(3000));
    }

    #[test]
    fn frames_that_waited_for_the_session_are_not_usual() {
        let mut trail = Trail::default();
        trail.enter(100, true, Some(ms(0)), ms(5000));
        assert_eq!(trail.behind(ms(5000)), Duration::from_millis(4200));
    }

    fn wire(acked: u64, window: u32) -> Wire {
        Wire {
            queued: 0,
            acked,
            window: Some(window),
            inode: 0,
        }
    }

    #[test]
    fn a_window_that_only_closes_is_a_program_that_does_not_read() {
        let mut unread = Unread::default();
        assert_eq!(unread.look(wire(0, 100_000)), 0);
        assert_eq!(unread.look(wire(10_000, 91_000)), 9000);
        assert_eq!(unread.look(wire(10_000, 91_000)), 9000, "nothing was sent");
        assert_eq!(unread.look(wire(20_000, 80_000)), 19_000);
        assert_eq!(unread.look(wire(30_000, 90_000)), 0, "it has read");
        assert_eq!(unread.look(wire(40_000, 90_000)), 0, "it keeps up");
        assert_eq!(unread.look(wire(50_000, 60_000)), 10_000);
        assert_eq!(unread.look(wire(60_000, 60_000)), 0, "a smaller window");
    }
}
