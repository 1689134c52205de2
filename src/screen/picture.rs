//! From a connection's encoded pictures to decoded ones, and on to the gate. What is set up here runs
//! on streaming threads.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use gst::prelude::*;
use parking_lot::Mutex;

use crate::outlet;

use super::decoders::{Codec, Decoders};
use super::gate::Entrance;
use super::session::{Facts, join};

/// Encoded pictures that may wait for the decoder.
const QUEUE: u64 = 1_000_000_000;
/// Pictures that may be in the decoder.
const INSIDE: usize = 64;

/// When the pictures that are in the decoder came from the network, by their stamps.
type Entered = Arc<Mutex<VecDeque<(Option<gst::ClockTime>, i64)>>>;

/// Decodes the pad's pictures.
pub fn play(
    pipeline: &gst::Pipeline,
    pad: &gst::Pad,
    stream: &gst::StructureRef,
    facts: &Arc<Facts>,
    entrance: &Entrance,
    decoders: &Decoders,
) -> Result<(), glib::BoolError> {
    let queue = gst::ElementFactory::make("queue")
        .property("max-size-time", QUEUE)
        .property("max-size-buffers", 0u32)
        .property("max-size-bytes", 0u32)
        .build()?;
    let out = sink(entrance);
    let mut line = vec![queue.clone()];
    let codec = codec_of(stream);
    let installed = |name: &str| gst::ElementFactory::find(name).is_some();
    let decoder = codec.and_then(|(codec, _, _)| decoders.choose(codec, installed));
    let entered = Entered::default();
    *facts.decoder.lock() = decoder;
    match (codec, decoder) {
        (Some((_, depay, parse)), Some(name)) => {
            if stream.name() == "application/x-rtp" {
                line.push(gst::ElementFactory::make(depay).build()?);
            }
            line.push(gst::ElementFactory::make(parse).build()?);
            let decoder = gst::ElementFactory::make(name)
                .name(super::DECODER)
                .build()?;
            // Frames that are decoded side by side come later by as many.
            if decoder.has_property("thread-type") {
                decoder.set_property_from_str("thread-type", "slice");
            }
            // After a loss: the last good picture, rather than a broken one.
            if decoder.has_property("output-corrupt") {
                decoder.set_property("output-corrupt", false);
            }
            watch(&decoder, &entered, facts, entrance);
            line.push(decoder);
            line.push(out.element.clone().upcast());
            *out.entered.lock() = Some(entered);
            pipeline.add_many(&line)?;
            gst::Element::link_many(&line)?;
        }
        _ => {
            let decoder = gst::ElementFactory::make("decodebin").build()?;
            watch(&decoder, &entered, facts, entrance);
            *out.entered.lock() = Some(entered);
            line.push(decoder.clone());
            pipeline.add_many(&line)?;
            pipeline.add(&out.element)?;
            gst::Element::link_many(&line)?;
            let sink = out.element.downgrade();
            decoder.connect_pad_added(move |decoder, pad| {
                let joined = sink.upgrade().map(|sink| join(pad, &sink));
                if let Some(Err(error)) = joined {
                    gst::element_error!(decoder, gst::CoreError::Pad, ["{error}"]);
                }
            });
            line.push(out.element.clone().upcast());
        }
    }
    // From the end, so that whatever comes finds everything ready.
    for element in line.iter().rev() {
        element.sync_state_with_parent()?;
    }
    join(pad, &queue)
}

/// Where decoded pictures leave the pipeline.
struct Out {
    element: gst_app::AppSink,
    entered: Arc<Mutex<Option<Entered>>>,
}

fn sink(entrance: &Entrance) -> Out {
    let element = gst_app::AppSink::builder()
        .caps(&gst::Caps::new_empty_simple("video/x-raw"))
        .sync(false)
        .max_buffers(4)
        .wait_on_eos(false)
        .build();
    let entered = Arc::new(Mutex::new(None::<Entered>));
    let (times, entrance) = (entered.clone(), entrance.clone());
    outlet::on_picture(&element, move |_, leaving| {
        let now = entrance.now();
        let times = times.lock().clone();
        let came = times.and_then(|times| entered_at(&times, leaving.buffer.pts()));
        // A picture without a stamp is due when it is there.
        let stamp = leaving.stamp.and_then(|stamp| i64::try_from(stamp).ok());
        let (stamp, came) = (stamp.unwrap_or(now), came.unwrap_or(now));
        entrance.arrive(leaving.buffer, leaving.info, stamp, came);
    });
    Out { element, entered }
}

/// When the picture of this stamp came; those before it are forgotten.
fn entered_at(times: &Entered, stamp: Option<gst::ClockTime>) -> Option<i64> {
    let mut times = times.lock();
    let at = times.iter().position(|(own, _)| *own == stamp)?;
    times.drain(..=at).next_back().map(|(_, came)| came)
}

/// Notes what goes into the decoder.
fn watch(decoder: &gst::Element, entered: &Entered, facts: &Arc<Facts>, entrance: &Entrance) {
    let Some(entry) = decoder.static_pad("sink") else {
        return;
    };
    let (entered, facts, entrance) = (entered.clone(), facts.clone(), entrance.clone());
    entry.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        if let Some(buffer) = info.buffer() {
            facts.encoded.fetch_add(1, Ordering::Relaxed);
            let mut entered = entered.lock();
            if entered.len() >= INSIDE {
                entered.pop_front();
            }
            entered.push_back((buffer.pts(), entrance.now()));
        }
        gst::PadProbeReturn::Ok
    });
}

/// What takes a stream apart, where a decoder is chosen for it: codec, depayloader, parser.
fn codec_of(stream: &gst::StructureRef) -> Option<(Codec, &'static str, &'static str)> {
    let h264 = (Codec::H264, "rtph264depay", "h264parse");
    let h265 = (Codec::H265, "rtph265depay", "h265parse");
    match stream.name().as_str() {
        "video/x-h264" => Some(h264),
        "video/x-h265" => Some(h265),
        "application/x-rtp" => {
            let encoding = stream.get::<String>("encoding-name").ok()?;
            match encoding.to_uppercase().as_str() {
                "H264" => Some(h264),
                "H265" => Some(h265),
                _ => None,
            }
        }
        _ => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_known_however_they_come() {
        gst::init().unwrap();
        for (caps, codec) in [
            (
                "application/x-rtp,media=video,encoding-name=H264",
                Some(Codec::H264),
            ),
            (
                "application/x-rtp,media=video,encoding-name=H265",
                Some(Codec::H265),
            ),
            ("application/x-rtp,media=video,encoding-name=VP8", None),
            ("video/x-h264,stream-format=avc", Some(Codec::H264)),
            ("video/x-vp9", None),
        ] {
            let caps: gst::Caps = caps.parse().unwrap();
            let found = codec_of(caps.structure(0).unwrap());
            assert_eq!(found.map(|(codec, _, _)| codec), codec, "{caps}");
        }
    }
}
