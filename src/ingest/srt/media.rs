//! What takes one caller's stream: libsrt behind a port of this machine's own, an MPEG transport
//! stream taken apart, its streams into the source's inlet.

use std::net::{Ipv4Addr, UdpSocket};
use std::sync::Arc;

use gst::prelude::*;

use crate::engine::fragment::{Fragment, FragmentError};
use crate::engine::inlet::{Inlet, media_of};
use crate::engine::pipeline::{Pipe, PipeNote};
use crate::engine::timebase::Timebase;
use crate::secret::Secret;

use super::mailbox::{Letter, Mailbox};
use super::pictures;

/// More streams than this of one sender are not looked at: nobody sends them in good faith.
const MOST_STREAMS: usize = 16;

/// What a call's pipeline is built of.
pub struct Plan {
    /// The call.
    pub number: u64,
    /// The one port that may call it.
    pub caller: u16,
    /// Where it listens, on this machine's own address.
    pub port: u16,
    /// The passphrase.
    pub key: Option<Secret>,
    /// Where the streams go.
    pub inlet: Arc<Inlet>,
    /// Its clock.
    pub timebase: Timebase,
    /// Whom it tells of its end.
    pub mailbox: Mailbox,
}

/// A port that nobody listens at.
pub fn free_port() -> std::io::Result<u16> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(socket.local_addr()?.port())
}

/// Builds it and sets it going. When this returns, it listens. Takes some milliseconds, the first
/// time more: not for the door's own thread.
pub fn open(plan: Plan) -> Result<Pipe, String> {
    let built = build(&plan).map_err(|error| error.to_string());
    let Plan {
        number,
        timebase,
        mailbox,
        ..
    } = plan;
    let fragment = built?;
    let pipe = fragment.into_pipe(
        &timebase,
        // A stream within may end alone: only the source's own end is one.
        Box::new(move |note| {
            if let PipeNote::Error { text, detail } = note {
                mailbox.send(Letter::Ended(number, format!("{text} ({detail})")));
            }
        }),
    );
    match pipe.play() {
        Ok(()) => Ok(pipe),
        Err(error) => Err(error.to_string()),
    }
}

fn build(plan: &Plan) -> Result<Fragment, FragmentError> {
    let fragment = Fragment::pipeline("ingest-srt")?;
    fragment.set("source", "localport", &plan.port.to_string())?;
    if let Some(key) = &plan.key {
        fragment.set("source", "passphrase", key.reveal())?;
    }
    let source: gst::Element = fragment.element("source")?;
    let only = plan.caller;
    source.connect("caller-connecting", false, move |values| {
        let from = values.get(1)?.get::<gio::InetSocketAddress>().ok()?;
        use gio::prelude::InetSocketAddressExt;
        Some((from.port() == only).to_value())
    });
    if let Some(pad) = source.static_pad("src") {
        let (mailbox, number) = (plan.mailbox.clone(), plan.number);
        pad.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |_, info| {
            if info
                .event()
                .is_some_and(|event| event.type_() == gst::EventType::Eos)
            {
                mailbox.send(Letter::Ended(number, "the sender has stopped".to_owned()));
            }
            gst::PadProbeReturn::Ok
        });
    }
    let streams: gst::Element = fragment.element("streams")?;
    follow(&streams, &plan.inlet);
    Ok(fragment)
}

/// Every stream that comes up has a bin of its own, which goes when the stream goes.
fn follow(streams: &gst::Element, inlet: &Arc<Inlet>) {
    let inlet = inlet.clone();
    streams.connect_pad_added(move |streams, pad| {
        let Some(parent) = parent_of(streams) else {
            return;
        };
        if streams.num_src_pads() as usize > MOST_STREAMS {
            return;
        }
        if let Err(error) = take_stream(pad, &parent, &inlet) {
            tracing::warn!("a stream by SRT is not taken: {error}");
        }
    });
    streams.connect_pad_removed(|streams, pad| {
        let gone = parent_of(streams).and_then(|parent| {
            let bin = parent.by_name(&pad.name())?;
            parent.remove(&bin).ok()?;
            Some(bin)
        });
        if let Some(bin) = gone {
            bin.call_async(|bin| {
                // NULL cannot be refused.
                let _ = bin.set_state(gst::State::Null);
            });
        }
    });
}

fn parent_of(element: &gst::Element) -> Option<gst::Bin> {
    element.parent()?.downcast().ok()
}

fn take_stream(
    pad: &gst::Pad,
    parent: &gst::Bin,
    inlet: &Arc<Inlet>,
) -> Result<(), glib::BoolError> {
    let caps = pad.current_caps().unwrap_or_else(|| pad.query_caps(None));
    let name = caps.structure(0).map_or("", |caps| caps.name().as_str());
    pictures::tell_whole_ones(pad, name);
    // Subtitles, data: taken and forgotten.
    let first = if media_of(name).is_some() {
        gst::ElementFactory::make("parsebin").build()?
    } else {
        (gst::ElementFactory::make("fakesink").property("async", false)).build()?
    };
    let bin = gst::Bin::with_name(&pad.name());
    bin.add(&first)?;
    if media_of(name).is_some() {
        inlet.follow(&first, false);
    }
    let inner = first.static_pad("sink");
    let inner = inner.ok_or_else(|| glib::bool_error!("{name} finds no pad"))?;
    let ghost = gst::GhostPad::with_target(&inner)?;
    ghost.set_active(true)?;
    bin.add_pad(&ghost)?;
    parent.add(&bin)?;
    bin.sync_state_with_parent()?;
    pad.link(&ghost)
        .map_err(|error| glib::bool_error!("{name}: {error}"))?;
    Ok(())
}
