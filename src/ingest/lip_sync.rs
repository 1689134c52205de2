//! Puts the streams of one RTP sender in step. Each stream's timestamps begin when its first packet
//! arrives; where they belong against each other is told by the sender's reports (RFC 3550, 6.4.1):
//! a pair of wall-clock time and RTP timestamp for each stream.
//!
//! The server's own alignment asks for a CNAME, which ffmpeg does not send. Here all streams of one
//! connection are one sender's. Runs in a probe on the streaming thread of each stream.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use gst_rtsp_server::prelude::*;
use parking_lot::Mutex;

use crate::engine::feed::Media;
use crate::engine::inlet::Inlet;

/// Packets, or lists of packets, between two looks: reports come every few seconds, but the server's
/// own timestamps still move in a connection's first ones.
const LOOK: u64 = 20;

/// The streams of one publisher.
#[derive(Debug, Default)]
pub struct LipSync {
    /// For picture and sound: wall-clock time less timestamp, in nanoseconds.
    ahead: Mutex<[Option<i64>; 2]>,
}

impl LipSync {
    /// Watches the packets that enter at `pad`, of a stream of kind `media` whose RTP clock has
    /// `rate`.
    pub fn watch(
        self: &Arc<Self>,
        pad: &gst::Pad,
        stream: &gst_rtsp_server::RTSPStream,
        media: Media,
        rate: u32,
        inlet: &Arc<Inlet>,
    ) {
        let (sync, inlet) = (self.clone(), inlet.clone());
        let stream = stream.downgrade();
        let packets = AtomicU64::new(0);
        let told = AtomicBool::new(false);
        let kind = gst::PadProbeType::BUFFER | gst::PadProbeType::BUFFER_LIST;
        pad.add_probe(kind, move |_, info| {
            let n = packets.fetch_add(1, Ordering::Relaxed);
            let look =
                n.is_multiple_of(LOOK) || (n.is_multiple_of(5) && !told.load(Ordering::Relaxed));
            let list = info.buffer_list().and_then(|list| list.get(0));
            let first = info.buffer().map(gst::Buffer::as_ref).or(list);
            if let Some(buffer) = first.filter(|_| look)
                && let Some(stream) = stream.upgrade()
                && let Some(ahead) = ahead(buffer, &stream, rate)
            {
                told.store(true, Ordering::Relaxed);
                if let Some(shift) = sync.note(media, ahead) {
                    inlet.shift_sound(shift);
                }
            }
            gst::PadProbeReturn::Ok
        });
    }

    /// Notes how far ahead of its timestamps a stream's wall clock is. With both known, the answer
    /// is how far the sound's timestamps have to be moved to fit the picture's.
    fn note(&self, media: Media, ahead: i64) -> Option<i64> {
        let mut all = self.ahead.lock();
        match media {
            Media::Video => all[0] = Some(ahead),
            Media::Audio => all[1] = Some(ahead),
        }
        Some(all[1]? - all[0]?)
    }
}

/// Wall-clock time of the packet less its timestamp, once the sender has reported.
fn ahead(buffer: &gst::BufferRef, stream: &gst_rtsp_server::RTSPStream, rate: u32) -> Option<i64> {
    let pts = buffer.pts()?.nseconds() as i64;
    // RFC 3550, 5.1: the timestamp is the second word of the header.
    let mut header = [0u8; 8];
    buffer.copy_to_slice(0, &mut header).ok()?;
    let stamp = u32::from_be_bytes([header[4], header[5], header[6], header[7]]);
    let (ntp, reported) = report(stream)?;
    // The difference may be negative, and wraps.
    let ticks = i64::from(stamp.wrapping_sub(reported) as i32);
    let since = ticks * 1_000_000_000 / i64::from(rate.max(1));
    Some(ntp + since - pts)
}

/// The sender's last report: wall-clock time in nanoseconds, and RTP timestamp.
fn report(stream: &gst_rtsp_server::RTSPStream) -> Option<(i64, u32)> {
    let session = stream.rtpsession()?;
    session.find_property("stats")?;
    let stats = session.property::<Option<gst::Structure>>("stats")?;
    let sources = stats.get::<glib::ValueArray>("source-stats").ok()?;
    sources.iter().find_map(|source| {
        let source = source.get::<gst::Structure>().ok()?;
        if source.get::<bool>("internal").ok()? || !source.get::<bool>("have-sr").ok()? {
            return None;
        }
        // 32 bits of seconds, 32 bits of their fraction.
        let ntp = source.get::<u64>("sr-ntptime").ok()?;
        let nanoseconds = (u128::from(ntp) * 1_000_000_000) >> 32;
        Some((nanoseconds as i64, source.get::<u32>("sr-rtptime").ok()?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sound_is_moved_to_the_picture_once_both_have_reported() {
        let sync = LipSync::default();
        assert_eq!(sync.note(Media::Audio, 1_400), None);
        assert_eq!(sync.note(Media::Video, 1_000), Some(400));
        assert_eq!(sync.note(Media::Audio, 1_100), Some(100));
    }
}
