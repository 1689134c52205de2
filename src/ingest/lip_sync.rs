//! Puts the streams of one RTP sender in step. Each stream's timestamps begin when its first packet
//! arrives; where they belong against each other is told by the sender's reports (RFC 3550, 6.4.1):
//! a pair of wall-clock time and RTP timestamp for each stream.
//!
//! The server's own alignment asks for a CNAME, which ffmpeg does not send. Here all streams of one
//! connection are one sender's. Runs in a probe on the streaming thread of each stream.
//!
//! What the first reports say is done at once: a small move by stretching the sound, a large one
//! with one seam. Whoever says something else later has to say it twice, and what is impossible is
//! not believed: some senders report before they know the time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use gst_rtsp_server::prelude::*;
use parking_lot::Mutex;

use crate::engine::feed::Media;
use crate::engine::inlet::Inlet;

/// Packets, or lists of packets, between two looks: reports come every few seconds, but the server's
/// own timestamps still move in a connection's first ones.
const LOOK: u64 = 20;

/// Reports of the same thing differ by less, in nanoseconds: they are exact to a millisecond or so.
const EXACT: i64 = 3_000_000;
/// The first packets of two streams of one sender never come further apart than this, in
/// nanoseconds: reports that say so are wrong.
const MOST: i64 = 900_000_000;

/// The streams of one publisher.
#[derive(Debug, Default)]
pub struct LipSync {
    reports: Mutex<Reports>,
}

/// What a publisher's reports have said.
#[derive(Debug, Default)]
struct Reports {
    /// The last ones for picture and sound.
    last: [Option<Said>; 2],
    /// By how much the sound has to be moved, as far as is believed.
    believed: Option<i64>,
    /// The inlet's session that was told so.
    epoch: u64,
    /// What was said instead, and the reports that said so.
    doubted: Option<(i64, [u64; 2])>,
}

/// One stream's report.
#[derive(Debug, Clone, Copy)]
struct Said {
    /// Which one: its wall-clock time, as sent.
    which: u64,
    /// Wall-clock time less timestamp, in nanoseconds.
    ahead: i64,
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
                && let Some(said) = said(buffer, &stream, rate)
            {
                told.store(true, Ordering::Relaxed);
                let shift = {
                    let mut reports = sync.reports.lock();
                    reports.belong_to(inlet.epoch());
                    reports.note(media, said)
                };
                if let Some(shift) = shift {
                    inlet.shift_sound(shift);
                }
            }
            gst::PadProbeReturn::Ok
        });
    }
}

impl Reports {
    /// What another session of the inlet was told has to be told again.
    fn belong_to(&mut self, epoch: u64) {
        if std::mem::replace(&mut self.epoch, epoch) != epoch {
            self.believed = None;
        }
    }

    /// Notes what a stream's last report says. The answer is how far the sound's timestamps have to
    /// be moved to fit the picture's, where that is news.
    fn note(&mut self, media: Media, said: Said) -> Option<i64> {
        match media {
            Media::Video => self.last[0] = Some(said),
            Media::Audio => self.last[1] = Some(said),
        }
        let [Some(picture), Some(sound)] = self.last else {
            return None;
        };
        let shift = sound.ahead.saturating_sub(picture.ahead);
        let reports = [picture.which, sound.which];
        let near = |other: i64| (shift - other).abs() <= EXACT;
        if shift.saturating_abs() > MOST || self.believed.is_some_and(near) {
            self.doubted = None;
            return None;
        }
        let confirmed = (self.doubted).is_some_and(|(before, by)| near(before) && by != reports);
        if self.believed.is_some() && !confirmed {
            if !self.doubted.is_some_and(|(before, _)| near(before)) {
                self.doubted = Some((shift, reports));
            }
            return None;
        }
        self.doubted = None;
        self.believed = Some(shift);
        self.believed
    }
}

/// Wall-clock time of the packet less its timestamp, once the sender has reported.
fn said(buffer: &gst::BufferRef, stream: &gst_rtsp_server::RTSPStream, rate: u32) -> Option<Said> {
    let pts = buffer.pts()?.nseconds() as i64;
    // RFC 3550, 5.1: the timestamp is the second word of the header.
    let mut header = [0u8; 8];
    buffer.copy_to_slice(0, &mut header).ok()?;
    let stamp = u32::from_be_bytes([header[4], header[5], header[6], header[7]]);
    let (which, reported) = report(stream)?;
    // 32 bits of seconds, 32 bits of their fraction.
    let ntp = ((u128::from(which) * 1_000_000_000) >> 32) as i64;
    // The difference may be negative, and wraps.
    let ticks = i64::from(stamp.wrapping_sub(reported) as i32);
    let since = ticks * 1_000_000_000 / i64::from(rate.max(1));
    let ahead = ntp.saturating_add(since).saturating_sub(pts);
    Some(Said { which, ahead })
}

/// The sender's last report: wall-clock time as sent, and RTP timestamp.
fn report(stream: &gst_rtsp_server::RTSPStream) -> Option<(u64, u32)> {
    let session = stream.rtpsession()?;
    session.find_property("stats")?;
    let stats = session.property::<Option<gst::Structure>>("stats")?;
    let sources = stats.get::<glib::ValueArray>("source-stats").ok()?;
    sources.iter().find_map(|source| {
        let source = source.get::<gst::Structure>().ok()?;
        if source.get::<bool>("internal").ok()? || !source.get::<bool>("have-sr").ok()? {
            return None;
        }
        let ntp = source.get::<u64>("sr-ntptime").ok()?;
        Some((ntp, source.get::<u32>("sr-rtptime").ok()?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: i64 = 1_000_000;

    fn said(which: u64, ahead_ms: i64) -> Said {
        Said {
            which,
            ahead: ahead_ms * MS,
        }
    }

    #[test]
    fn sound_is_moved_to_the_picture_once_both_have_reported() {
        let mut reports = Reports::default();
        assert_eq!(reports.note(Media::Audio, said(1, 1400)), None);
        assert_eq!(reports.note(Media::Video, said(1, 1000)), Some(400 * MS));
        // The same again, but for what no report can know.
        assert_eq!(reports.note(Media::Audio, said(2, 1402)), None);
    }

    #[test]
    fn another_alignment_has_to_be_reported_twice() {
        let mut reports = Reports::default();
        reports.note(Media::Audio, said(1, 400));
        reports.note(Media::Video, said(1, 0));
        for _ in 0..5 {
            let same_report = reports.note(Media::Audio, said(2, 430));
            assert_eq!(same_report, None);
        }
        assert_eq!(reports.note(Media::Audio, said(3, 431)), Some(431 * MS));
        // One that is wrong, and one that is right again.
        assert_eq!(reports.note(Media::Video, said(2, 200)), None);
        assert_eq!(reports.note(Media::Video, said(3, 0)), None);
        assert_eq!(reports.note(Media::Video, said(4, 200)), None);
    }

    #[test]
    fn what_cannot_be_is_not_believed() {
        let mut reports = Reports::default();
        // One that did not know the time, and one beyond the year 2036.
        reports.note(Media::Audio, said(0, 0));
        for (n, ahead) in [1_800_000_000_000, -2_500_000_000_000]
            .into_iter()
            .enumerate()
        {
            assert_eq!(reports.note(Media::Video, said(n as u64, ahead)), None);
        }
        assert_eq!(reports.note(Media::Video, said(5, 20)), Some(-20 * MS));
        let mut extreme = Reports::default();
        extreme.note(
            Media::Audio,
            Said {
                which: 0,
                ahead: i64::MIN,
            },
        );
        let worst = Said {
            which: 0,
            ahead: i64::MAX,
        };
        assert_eq!(extreme.note(Media::Video, worst), None);
    }
}
