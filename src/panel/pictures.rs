//! Fetches monitors and levels from the engine's memory, on a thread of its own: reading and
//! converting take time that the main loop does not have. Whatever the main loop does not fetch in
//! time is replaced by what is newer.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use gst_video::{VideoConverter, VideoFormat, VideoFrameRef, VideoInfo};
use parking_lot::Mutex;

use crate::control::monitor::Reader;
use crate::model::monitor::ViewRequest;
use crate::monitor::Levels;

/// How often the engine's memory is looked at.
const LOOK: Duration = Duration::from_millis(33);
/// Pause after the engine could not be asked.
const AGAIN: Duration = Duration::from_millis(400);
/// Levels come 20 times a second: memory that is not written for so long is no longer true.
const STALE: Duration = Duration::from_secs(1);

/// A picture ready to be drawn: BGRA, opaque.
#[derive(Debug, Clone)]
pub struct Frame {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Bytes of a row.
    pub stride: usize,
    /// The pixels.
    pub pixels: glib::Bytes,
}

/// What was fetched and not yet drawn.
#[derive(Debug, Default)]
pub struct Fetched {
    /// By the views' order; `None`: nothing new.
    pub frames: Vec<Option<Frame>>,
    /// The mix, then the sources in the venue's order; `None`: nothing new.
    pub levels: Option<Vec<Levels>>,
    /// The engine writes nothing any more, or cannot be asked.
    pub lost: bool,
    /// Which request of views this belongs to.
    pub generation: u64,
}

/// The thread. Dropped, it ends.
#[derive(Debug)]
pub struct Pictures {
    requests: Sender<(u64, Vec<ViewRequest>)>,
    fetched: Arc<Mutex<Fetched>>,
}

impl Pictures {
    /// Fetches from the engine behind `socket`; the receiver is told when there is something.
    pub fn start(socket: &Path) -> std::io::Result<(Self, async_channel::Receiver<()>)> {
        let (requests, queue) = channel();
        // One word is enough: the main loop then takes all there is.
        let (wake, woken) = async_channel::bounded(1);
        let fetched = Arc::new(Mutex::new(Fetched::default()));
        let fetch = Fetch {
            socket: socket.to_owned(),
            fetched: fetched.clone(),
            wake,
            reader: None,
            views: Vec::new(),
            generation: 0,
            converted: Vec::new(),
            raw: Vec::new(),
            levels: Vec::new(),
        };
        std::thread::Builder::new()
            .name("pictures".into())
            .spawn(move || fetch.run(&queue))?;
        Ok((Self { requests, fetched }, woken))
    }

    /// Wants these pictures from now on.
    pub fn request(&self, generation: u64, views: Vec<ViewRequest>) {
        // The thread lives as long as this value.
        let _ = self.requests.send((generation, views));
    }

    /// What has been fetched since the last time.
    pub fn take(&self) -> Fetched {
        let mut fetched = self.fetched.lock();
        let empty = Fetched {
            generation: fetched.generation,
            lost: fetched.lost,
            ..Fetched::default()
        };
        std::mem::replace(&mut *fetched, empty)
    }
}

/// One view as the thread knows it.
struct Converted {
    from: VideoInfo,
    to: VideoInfo,
    converter: VideoConverter,
    seen: u64,
}

struct Fetch {
    socket: PathBuf,
    fetched: Arc<Mutex<Fetched>>,
    wake: async_channel::Sender<()>,
    reader: Option<Reader>,
    views: Vec<ViewRequest>,
    generation: u64,
    converted: Vec<Option<Converted>>,
    raw: Vec<u8>,
    levels: Vec<Levels>,
}

impl Fetch {
    fn run(mut self, queue: &Receiver<(u64, Vec<ViewRequest>)>) {
        let mut next_try = Instant::now();
        loop {
            match queue.recv_timeout(LOOK) {
                Ok(first) => {
                    let newest = queue.try_iter().last().unwrap_or(first);
                    (self.generation, self.views) = newest;
                    self.ask_instead();
                    next_try = Instant::now();
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            if self.reader.is_none() {
                if self.views.is_empty() || Instant::now() < next_try {
                    continue;
                }
                next_try = Instant::now() + AGAIN;
                self.open();
            }
            self.look();
        }
    }

    /// Asks for the new views on the connection there is: what the old ones took of the engine's
    /// budget is given back in return.
    fn ask_instead(&mut self) {
        let Some(mut reader) = self.reader.take().filter(|_| !self.views.is_empty()) else {
            return;
        };
        match reader.request(&self.views) {
            Ok(()) => self.adopt(reader),
            Err(error) => tracing::debug!("asked anew: {error}"),
        }
    }

    fn adopt(&mut self, reader: Reader) {
        self.reader = Some(reader);
        self.converted = self.views.iter().map(converted).collect();
    }

    fn open(&mut self) {
        match Reader::open(&self.socket, &self.views) {
            Ok(reader) => self.adopt(reader),
            Err(error) => {
                tracing::debug!("no monitors: {error}");
                self.lost();
            }
        }
    }

    /// Tells that there are no pictures.
    fn lost(&mut self) {
        {
            let mut fetched = self.fetched.lock();
            *fetched = Fetched {
                generation: self.generation,
                lost: true,
                ..Fetched::default()
            };
        }
        // Full: the main loop has been told already.
        let _ = self.wake.try_send(());
    }

    fn look(&mut self) {
        let Some(reader) = &mut self.reader else {
            return;
        };
        if !reader.is_connected() || reader.age() > STALE {
            self.reader = None;
            self.lost();
            return;
        }
        let levels = reader.levels().unwrap_or_default();
        let louder = (levels != self.levels).then(|| levels.clone());
        self.levels = levels;
        let mut frames: Vec<Option<Frame>> = vec![None; self.views.len()];
        for (index, place) in frames.iter_mut().enumerate() {
            let Some(Some(view)) = self.converted.get_mut(index) else {
                continue;
            };
            match reader.picture(index, view.seen, &mut self.raw) {
                Ok(Some(sequence)) => {
                    view.seen = sequence;
                    *place = view.frame(&self.raw);
                }
                Ok(None) => {}
                Err(error) => tracing::debug!("a monitor cannot be read: {error}"),
            }
        }
        if louder.is_none() && frames.iter().all(Option::is_none) {
            return;
        }
        {
            let mut fetched = self.fetched.lock();
            fetched.lost = false;
            if fetched.generation != self.generation || fetched.frames.len() != frames.len() {
                fetched.frames = vec![None; frames.len()];
                fetched.generation = self.generation;
            }
            for (old, new) in fetched.frames.iter_mut().zip(frames) {
                if new.is_some() {
                    *old = new;
                }
            }
            if louder.is_some() {
                fetched.levels = louder;
            }
        }
        // Full: the main loop has been told already.
        let _ = self.wake.try_send(());
    }
}

fn converted(view: &ViewRequest) -> Option<Converted> {
    let info = |format| {
        let colours = "bt709".parse::<gst_video::VideoColorimetry>().ok()?;
        let builder = VideoInfo::builder(format, view.width, view.height);
        let builder = match format {
            VideoFormat::I420 => builder.colorimetry(&colours),
            _ => builder,
        };
        builder.build().ok()
    };
    let (from, to) = (info(VideoFormat::I420)?, info(VideoFormat::Bgra)?);
    let converter = VideoConverter::new(&from, &to, None).ok()?;
    Some(Converted {
        from,
        to,
        converter,
        seen: 0,
    })
}

impl Converted {
    /// The raw picture as GTK draws it.
    fn frame(&self, raw: &[u8]) -> Option<Frame> {
        if raw.len() < self.from.size() {
            return None;
        }
        let source = gst::Buffer::from_slice(raw.to_vec());
        let mut target = gst::Buffer::with_size(self.to.size()).ok()?;
        {
            let source = VideoFrameRef::from_buffer_ref_readable(&source, &self.from).ok()?;
            let mut frame =
                VideoFrameRef::from_buffer_ref_writable(target.get_mut()?, &self.to).ok()?;
            self.converter.frame_ref(&source, &mut frame);
        }
        let memory = target.into_mapped_buffer_readable().ok()?;
        Some(Frame {
            width: self.to.width(),
            height: self.to.height(),
            stride: self.to.stride()[0] as usize,
            pixels: glib::Bytes::from_owned(memory),
        })
    }
}
