//! Keeps what is sent of one picture together.
//!
//! A payloader hands its packets on slice by slice, and the server writes each of these portions to
//! each player by itself: a system call, and on the other side a wake-up, for every slice and for the
//! delimiter behind it. Together they are one of each for a whole picture.

glib::wrapper! {
    /// Takes packets of RTP, and hands them on as one list when word comes that they are all.
    pub struct Bundle(ObjectSubclass<imp::Bundle>) @extends gst::Element, gst::Object;
}

impl Bundle {
    /// An element with one pad on each side, `sink` and `src`.
    pub fn new() -> Self {
        glib::Object::new()
    }
}

/// The word that all of a picture has been sent.
const WHOLE: &str = "regie-whole";

/// The event that says so. A payloader passes it on, behind the packets of what came before.
pub fn whole() -> gst::Event {
    gst::event::CustomDownstream::new(gst::Structure::new_empty(WHOLE))
}

fn is_whole(event: &gst::Event) -> bool {
    event.type_() == gst::EventType::CustomDownstream
        && event
            .structure()
            .is_some_and(|structure| structure.name() == WHOLE)
}

mod imp {
    use std::sync::LazyLock;

    use glib::subclass::prelude::*;
    use gst::prelude::*;
    use gst::subclass::prelude::*;
    use parking_lot::Mutex;

    use super::is_whole;

    type Flow = Result<gst::FlowSuccess, gst::FlowError>;

    pub struct Bundle {
        sink: gst::Pad,
        src: gst::Pad,
        /// What has come of the present picture, in the streaming thread's hands alone.
        held: Mutex<gst::BufferList>,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for Bundle {
        const NAME: &'static str = "RegieBundle";
        type Type = super::Bundle;
        type ParentType = gst::Element;

        fn with_class(class: &Self::Class) -> Self {
            let template = |name| class.pad_template(name).expect("a template of its own");
            let flow = || Err(gst::FlowError::Error);
            let sink = gst::Pad::builder_from_template(&template("sink"))
                .chain_function(move |_, parent, buffer| {
                    Self::catch_panic_pad_function(parent, flow, |own| own.hold(Some(buffer)))
                })
                .chain_list_function(move |_, parent, list| {
                    Self::catch_panic_pad_function(parent, flow, |own| own.hold(list.iter_owned()))
                })
                .event_function(|pad, parent, event| {
                    Self::catch_panic_pad_function(
                        parent,
                        || false,
                        |own| own.hear(pad, parent, event),
                    )
                })
                .flags(gst::PadFlags::PROXY_CAPS | gst::PadFlags::PROXY_ALLOCATION)
                .build();
            let src = gst::Pad::builder_from_template(&template("src"))
                .flags(gst::PadFlags::PROXY_CAPS)
                .build();
            Self {
                sink,
                src,
                held: Mutex::new(gst::BufferList::new()),
            }
        }
    }

    impl ObjectImpl for Bundle {
        fn constructed(&self) {
            self.parent_constructed();
            let element = self.obj();
            for pad in [&self.sink, &self.src] {
                element.add_pad(pad).expect("two pads of its own");
            }
        }
    }

    impl GstObjectImpl for Bundle {}

    impl ElementImpl for Bundle {
        fn pad_templates() -> &'static [gst::PadTemplate] {
            static TEMPLATES: LazyLock<[gst::PadTemplate; 2]> = LazyLock::new(|| {
                let caps = gst::Caps::builder("application/x-rtp").build();
                let template = |name, direction| {
                    gst::PadTemplate::new(name, direction, gst::PadPresence::Always, &caps)
                        .expect("a template")
                };
                [
                    template("sink", gst::PadDirection::Sink),
                    template("src", gst::PadDirection::Src),
                ]
            });
            TEMPLATES.as_ref()
        }
    }

    impl Bundle {
        fn hold(&self, packets: impl IntoIterator<Item = gst::Buffer>) -> Flow {
            let mut held = self.held.lock();
            let list = held.make_mut();
            for packet in packets {
                list.add(packet);
            }
            Ok(gst::FlowSuccess::Ok)
        }

        fn hand_on(&self) -> Flow {
            let list = std::mem::replace(&mut *self.held.lock(), gst::BufferList::new());
            if list.is_empty() {
                return Ok(gst::FlowSuccess::Ok);
            }
            self.src.push_list(list)
        }

        fn hear(&self, pad: &gst::Pad, parent: Option<&gst::Object>, event: gst::Event) -> bool {
            if event.type_() == gst::EventType::FlushStop {
                *self.held.lock() = gst::BufferList::new();
            } else if event.is_serialized() {
                // What came before an event goes before it. Whoever refuses it will say so again.
                let went = self.hand_on();
                if is_whole(&event) {
                    return went.is_ok();
                }
            }
            gst::Pad::event_default(pad, parent, event)
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use gst::prelude::*;

    /// What comes out: the sizes of lists.
    #[test]
    fn packets_wait_for_the_word_and_go_as_one_list() {
        gst::init().unwrap();
        let bundle = Bundle::new();
        let sink = gst_app::AppSink::builder()
            .sync(false)
            .buffer_list(true)
            .build();
        let pipeline = gst::Pipeline::new();
        pipeline
            .add_many([bundle.upcast_ref(), sink.upcast_ref::<gst::Element>()])
            .unwrap();
        bundle.link(&sink).unwrap();
        pipeline.set_state(gst::State::Playing).unwrap();
        let entry = bundle.static_pad("sink").unwrap();
        let caps = gst::Caps::builder("application/x-rtp").build();
        entry.send_event(gst::event::StreamStart::new("test"));
        entry.send_event(gst::event::Caps::new(&caps));
        let segment = gst::FormattedSegment::<gst::ClockTime>::new();
        entry.send_event(gst::event::Segment::new(&segment));
        let packet = || gst::Buffer::from_slice([0x80_u8; 20]);
        let mut pair = gst::BufferList::new();
        pair.get_mut().unwrap().add(packet());
        pair.get_mut().unwrap().add(packet());
        entry.chain(packet()).unwrap();
        entry.chain_list(pair).unwrap();
        assert!(
            sink.try_pull_sample(gst::ClockTime::from_mseconds(50))
                .is_none()
        );
        assert!(entry.send_event(whole()));
        let size = |sample: gst::Sample| sample.buffer_list().map(|list| list.len());
        assert_eq!(size(sink.pull_sample().unwrap()), Some(3));
        // Nothing is left at the end, and nothing is sent twice.
        entry.chain(packet()).unwrap();
        entry.send_event(whole());
        entry.send_event(whole());
        entry.send_event(gst::event::Eos::new());
        assert_eq!(size(sink.pull_sample().unwrap()), Some(1));
        assert!(sink.pull_sample().is_err());
        pipeline.set_state(gst::State::Null).unwrap();
    }
}
