//! Says that each packet of a transport stream's picture is one whole picture, while that is so. A
//! parser that does not know waits for the next picture to begin before it hands on the last one:
//! one frame of delay for nothing.
//!
//! By H.222.0 every picture begins with a delimiter, and every muxer there is begins a packet with a
//! picture. Where packets begin with delimiters, they hold whole pictures.

use std::sync::atomic::{AtomicBool, Ordering};

use gst::prelude::*;

/// Whether the bytes begin with a delimiter, for the codec that these caps name.
fn begins_a_picture(bytes: &[u8], is_h265: bool) -> bool {
    let after = match *bytes {
        [0, 0, 0, 1, kind, ..] | [0, 0, 1, kind, ..] => kind,
        _ => return false,
    };
    // The type of a NAL unit: H.264, 7.3.1; H.265, 7.3.1.2.
    match is_h265 {
        false => after & 0x1f == 9,
        true => after >> 1 & 0x3f == 35,
    }
}

/// Changes the caps that pass the demultiplexer's pad accordingly.
pub fn tell_whole_ones(pad: &gst::Pad, caps_name: &str) {
    let is_h265 = match caps_name {
        "video/x-h264" => false,
        "video/x-h265" => true,
        _ => return,
    };
    let are_whole = AtomicBool::new(true);
    let kind = gst::PadProbeType::BUFFER | gst::PadProbeType::EVENT_DOWNSTREAM;
    pad.add_probe(kind, move |pad, info| {
        if let Some(buffer) = info.buffer() {
            let mut start = [0; 5];
            let begins =
                buffer.copy_to_slice(0, &mut start).is_ok() && begins_a_picture(&start, is_h265);
            // The caps as they are stored go out once more, and this time as they are.
            if !begins
                && are_whole.swap(false, Ordering::Relaxed)
                && let Some(caps) = pad.current_caps()
            {
                tracing::debug!("pictures by SRT come in pieces");
                pad.push_event(gst::event::Caps::new(&caps));
            }
        } else if are_whole.load(Ordering::Relaxed)
            && let Some(event) = info.event()
            && let gst::EventView::Caps(own) = event.view()
        {
            let mut caps = own.caps_owned();

            caps.make_mut().set("alignment", "au");
            info.data = Some(gst::PadProbeData::Event(gst::event::Caps::new(&caps)));
        }
        gst::PadProbeReturn::Ok
    });
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;

    use parking_lot::Mutex;

    use super::*;

    #[test]
    fn a_picture_begins_with_its_delimiter() {
        for start in [&[0, 0, 0, 1, 9, 0x10][..], &[0, 0, 1, 0x09, 0xf0]] {
            assert!(begins_a_picture(start, false), "{start:?}");
            assert!(!begins_a_picture(start, true), "{start:?}");
        }
        assert!(begins_a_picture(&[0, 0, 0, 1, 0x46, 1], true));
        for start in [&[][..], &[0, 0, 1], &[0, 0, 0, 1, 0x65], &[9, 9, 9, 9, 9]] {
            assert!(!begins_a_picture(start, false), "{start:?}");
        }
    }

    #[test]
    fn pictures_are_said_to_be_whole_until_one_is_not() {
        gst::init().unwrap();
        let heard: Arc<Mutex<Vec<Option<String>>>> = Arc::default();
        let own = heard.clone();
        let (sink, always) = (gst::PadDirection::Sink, gst::PadPresence::Always);
        let any = gst::PadTemplate::new("sink", sink, always, &gst::Caps::new_any());
        let sink = gst::Pad::builder_from_template(&any.unwrap())
            .event_function(move |_, _, event| {
                if let gst::EventView::Caps(caps) = event.view() {
                    let caps = caps.caps_owned();
                    let said = caps.structure(0).unwrap().get("alignment").ok();
                    own.lock().push(said);
                }
                true
            })
            .chain_function(|_, _, _| Ok(gst::FlowSuccess::Ok))
            .build();
        let source = gst::Pad::builder(gst::PadDirection::Src).build();
        source.set_active(true).unwrap();
        sink.set_active(true).unwrap();
        tell_whole_ones(&source, "video/x-h264");
        source.link(&sink).unwrap();
        source.push_event(gst::event::StreamStart::new("pictures"));
        let caps = gst::Caps::builder("video/x-h264")
            .field("stream-format", "byte-stream")
            .build();
        source.push_event(gst::event::Caps::new(&caps));
        let time = gst::FormattedSegment::<gst::ClockTime>::new();
        source.push_event(gst::event::Segment::new(&time));
        let whole = [0, 0, 0, 1, 9, 0xf0, 0, 0, 1, 0x65];
        let piece = [0, 0, 0, 1, 0x65, 1, 2, 3];
        for packet in [&whole[..], &whole, &piece, &piece, &whole] {
            let buffer = gst::Buffer::from_slice(packet.to_vec());
            source.push(buffer).unwrap();
        }
        assert_eq!(*heard.lock(), [Some("au".to_owned()), None]);
    }
}
