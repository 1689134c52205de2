//! The programme that never stops: one frame a tick, one block of sound after the other, for as
//! long as the engine lives.
//!
//! Two threads own it. `picture` waits for the next tick, asks every source for the picture that is
//! due, paints, and hands the frame to the encoder. `sound` does the same for blocks of samples,
//! and is not delayed when painting is. Neither waits for a source, an encoder or anybody else; the
//! engine thread tells them what to show by exchanging one [`Scene`] and one list of
//! [`MixInput`]s, so a change is seen whole or not at all; a [`Passage`] says how the old gives way
//! to the new.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use gst::prelude::*;
use parking_lot::Mutex;

use crate::model::{Colour, Fit, Passage, PixelRect};
use crate::venue::{ProgrammeConfig, Rate};

use super::encoder::picture_info;
use super::feed::{Feed, Media};
use super::genlock::{Genlock, first};
use super::margin::Margin;
use super::meter::{Board, Meters};
use super::mix::{BLOCK, MixInput, Mixer};
use super::ornament::Ornament;
use super::pictures::{Pacing, Picture, Pictures};
use super::samples::{CHANNELS, RATE};
use super::slate::Slate;
use super::timebase::Timebase;
use super::transition::View;
use super::urgency::go_first;
use super::window::Window;

/// How long a slot keeps the last picture of a source that gives no more.
pub const HOLD: Duration = Duration::from_millis(700);
/// So long may raw frames wait for the encoder, in nanoseconds; what comes then is dropped. It is what
/// an overloaded machine adds to the delay, at most.
const ENCODER_QUEUE: u64 = 100_000_000;
/// Blocks of sound that may wait for the encoder, a second's worth.
const SOUND_QUEUE: u64 = 48;
/// Keyframes that were asked for come at most this often.
const KEYFRAME_PAUSE: u64 = 500_000_000;
/// After a standstill of the machine, frames older than this are not made up for.
const CATCH_UP: u64 = 1_000_000_000;

/// What the programme shows until further notice.
#[derive(Debug, Clone)]
pub struct Scene {
    /// Where no slot lies.
    pub background: Colour,
    /// From back to front.
    pub slots: Vec<SceneSlot>,
}

impl Scene {
    /// Who fills its slots.
    fn on_air(&self) -> Vec<Arc<Pictures>> {
        let all = self.slots.iter();
        all.filter_map(|slot| slot.pictures.clone()).collect()
    }
}

/// One slot of a scene.
#[derive(Debug, Clone)]
pub struct SceneSlot {
    /// Where it lies.
    pub rect: PixelRect,
    /// How a picture is put into it.
    pub fit: Fit,
    /// Who fills it; `None`: nobody plays the role.
    pub pictures: Option<Arc<Pictures>>,
    /// What it shows otherwise.
    pub slate: Slate,
    /// What is drawn around its picture, and cut off that.
    pub ornament: Option<Arc<Ornament>>,
}

/// What the programme's threads and the engine thread share.
#[derive(Debug)]
pub struct Shared {
    scene: Mutex<SceneOrder>,
    mix: Mutex<MixOrder>,
    video_in: Mutex<Option<VideoIn>>,
    audio_in: Mutex<Option<gst_app::AppSrc>>,
    stop: AtomicBool,
    frames: AtomicU64,
    late: AtomicU64,
    dropped: AtomicU64,
}

/// What to show from now on, and how to go over to it, until the picture thread has seen that.
#[derive(Debug)]
struct SceneOrder {
    scene: Arc<Scene>,
    passage: Option<Passage>,
}

/// What to sound like from now on, and over which time, until the sound thread has seen that.
#[derive(Debug, Default)]
struct MixOrder {
    inputs: Arc<[MixInput]>,
    fade: Option<Duration>,
}

/// The encoder as the picture thread sees it.
#[derive(Debug, Clone)]
pub struct VideoIn {
    /// Takes raw frames.
    pub frames: gst_app::AppSrc,
    /// Keyframes are asked for here.
    pub encoded: gst_app::AppSink,
}

/// Counters of the programme since its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counters {
    /// Ticks, each one frame.
    pub frames: u64,
    /// Of these, repeated because painting was late.
    pub late: u64,
    /// Of these, not taken by the encoder.
    pub dropped: u64,
}

/// The programme: built, then running. Dropped, it stops.
pub struct Programme {
    shared: Arc<Shared>,
    loops: Option<(PictureLoop, SoundLoop)>,
    /// The encoded picture.
    pub video: Arc<Feed>,
    /// The encoded sound.
    pub audio: Arc<Feed>,
    /// The frames as they go to the encoder, for whoever looks.
    pub window: Arc<Window>,
    /// The same for the engine's own looks, now and then.
    pub glimpse: Arc<Window>,
    /// How loud the mix and the sources are.
    pub board: Arc<Board>,
    threads: Vec<JoinHandle<()>>,
}

impl Programme {
    /// A programme that does not run yet. `sources` are all pictures of the venue: also those that
    /// no slot shows are kept moving, so that a cut to them shows what is so now. `sounds` are those of
    /// sources and desk: so many of what is mixed are measured.
    pub fn new(
        config: &ProgrammeConfig,
        timebase: &Timebase,
        sources: Vec<Arc<Pictures>>,
        sounds: usize,
        scene: Scene,
    ) -> Self {
        let scene = Arc::new(scene);
        let shared = Arc::new(Shared {
            scene: Mutex::new(SceneOrder {
                scene: scene.clone(),
                passage: None,
            }),
            mix: Mutex::default(),
            video_in: Mutex::default(),
            audio_in: Mutex::default(),
            stop: AtomicBool::new(false),
            frames: AtomicU64::new(0),
            late: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
        });
        let video = Feed::new(Media::Video);
        let audio = Feed::new(Media::Audio);
        let step = config.framerate.frame_duration().as_nanos() as u64;
        let window = Arc::<Window>::default();
        let glimpse = Arc::<Window>::default();
        let meters = Meters::new(sounds);
        let board = meters.board();
        let picture = PictureLoop {
            shared: shared.clone(),
            timebase: timebase.clone(),
            view: View::new(&picture_info(config), pacing(config), step, scene.clone()),
            feed: video.clone(),
            window: window.clone(),
            glimpse: glimpse.clone(),
            sources,
            pacing: pacing(config),
            rate: config.framerate,
            on_air: scene.on_air(),
            scene: scene.clone(),
            encoder_room: (ENCODER_QUEUE / step.max(1)).max(2),
            keyframe_at: 0,
        };
        let sound = SoundLoop {
            shared: shared.clone(),
            timebase: timebase.clone(),
            mixer: Mixer::default(),
            margin: Margin::default(),
            meters,
        };
        Self {
            shared,
            loops: Some((picture, sound)),
            video,
            audio,
            window,
            glimpse,
            board,
            threads: Vec::new(),
        }
    }

    /// What is quieter than this, in dB of full scale, is silence: of the mix, then of the sources.
    /// Before it runs.
    pub fn set_silence(&mut self, levels_db: impl IntoIterator<Item = f64>) {
        if let Some((_, sound)) = &mut self.loops {
            sound.meters.set_silence(levels_db);
        }
    }

    /// Starts both threads, from the tick of now on; they end when the programme is dropped.
    pub fn run(&mut self) -> std::io::Result<()> {
        if let Some((picture, sound)) = self.loops.take() {
            let thread = |name: &str| std::thread::Builder::new().name(name.into());
            self.threads
                .push(thread("picture").spawn(move || picture.run())?);
            self.threads
                .push(thread("sound").spawn(move || sound.run())?);
        }
        Ok(())
    }

    /// From the next tick on, the programme goes over to this. Without a passage it does so at
    /// once, but a transition that is under way goes on.
    pub fn show(&self, scene: Scene, passage: Option<Passage>) {
        let scene = Arc::new(scene);
        let old = {
            let mut order = self.shared.scene.lock();
            order.passage = passage.or(order.passage);
            std::mem::replace(&mut order.scene, scene)
        };
        drop(old);
    }

    /// From the next block on, the programme goes over to sound like this: sources that are heard,
    /// or no more, come and go in the time of `fade`; all else changes at once. Without a fade
    /// everything does, but one that is under way goes on. The same sources in the
    /// same order at every call.
    pub fn mix(&self, inputs: Vec<MixInput>, fade: Option<Duration>) {
        let inputs = inputs.into();
        let old = {
            let mut order = self.shared.mix.lock();
            order.fade = fade.or(order.fade);
            std::mem::replace(&mut order.inputs, inputs)
        };
        drop(old);
    }

    /// Where frames go from now on.
    pub fn set_video_in(&self, input: Option<VideoIn>) {
        let old = std::mem::replace(&mut *self.shared.video_in.lock(), input);
        drop(old);
    }

    /// Where sound goes from now on.
    pub fn set_audio_in(&self, input: Option<gst_app::AppSrc>) {
        let old = std::mem::replace(&mut *self.shared.audio_in.lock(), input);
        drop(old);
    }

    /// How it runs.
    pub fn counters(&self) -> Counters {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counters {
            frames: read(&self.shared.frames),
            late: read(&self.shared.late),
            dropped: read(&self.shared.dropped),
        }
    }
}

impl Drop for Programme {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // A thread that panicked has nothing more to say.
            let _ = thread.join();
        }
    }
}

/// How far behind its pictures the sound of a source is read, in sample frames, so that both are
/// seen and heard together, but for how long after they are due its pictures are shown: that is the
/// source's to know ([`Samples::set_shift`](super::samples::Samples::set_shift)).
pub fn sound_lag(config: &ProgrammeConfig, delay: Duration) -> u64 {
    let behind = config.latency + delay;
    super::samples::index_at(behind.as_nanos() as u64)
}

/// How long after they are due pictures are shown on average, in nanoseconds, where ticks and pictures
/// know nothing of each other: between one tolerance early and the rest of a step late.
pub fn mean_behind(config: &ProgrammeConfig) -> i64 {
    let pacing = pacing(config);
    (pacing.step / 2) as i64 - pacing.tolerance as i64
}

fn pacing(config: &ProgrammeConfig) -> Pacing {
    Pacing {
        latency: config.latency.as_nanos() as u64,
        tolerance: config.framerate.frame_duration().as_nanos() as u64 / 4,
        hold: HOLD.as_nanos() as u64,
        step: config.framerate.frame_duration().as_nanos() as u64,
    }
}

/// Running time of a block of sound, in nanoseconds.
fn block_time(n: u64) -> u64 {
    (u128::from(n) * BLOCK as u128 * 1_000_000_000 / u128::from(RATE)) as u64
}

struct PictureLoop {
    shared: Arc<Shared>,
    timebase: Timebase,
    view: View,
    feed: Arc<Feed>,
    window: Arc<Window>,
    glimpse: Arc<Window>,
    sources: Vec<Arc<Pictures>>,
    pacing: Pacing,
    rate: Rate,
    /// What fills the slots: the ticks follow one that is alone.
    on_air: Vec<Arc<Pictures>>,
    /// Of this scene.
    scene: Arc<Scene>,
    /// Frames that may wait for the encoder.
    encoder_room: u64,
    keyframe_at: u64,
}

impl PictureLoop {
    fn run(mut self) {
        let mut beat = Genlock::new(self.rate, self.timebase.now());
        while !self.shared.stop.load(Ordering::Relaxed) {
            let tick = beat.tick();
            beat.wait(&self.timebase, self.pacing);
            let now = self.timebase.now();
            let behind = now.nseconds().saturating_sub(tick);
            if behind > CATCH_UP {
                // The machine slept: go on from now.
                beat.skip_to(now);
                continue;
            }
            let next = beat.next_tick();
            let late = now.nseconds() >= next;
            let frame = if late { self.view.repeat() } else { None };
            let frame = frame.or_else(|| self.paint(tick));
            self.shared.frames.fetch_add(1, Ordering::Relaxed);
            if late {
                self.shared.late.fetch_add(1, Ordering::Relaxed);
            }
            if let Some(frame) = frame {
                self.send(frame, tick, next - tick);
            }
            beat.follow(&self.on_air);
            beat.advance();
        }
    }

    fn paint(&mut self, tick: u64) -> Option<gst::Buffer> {
        for source in &self.sources {
            source.at(tick, self.pacing);
        }
        let (scene, passage) = {
            let mut order = self.shared.scene.lock();
            (order.scene.clone(), order.passage.take())
        };
        self.view.show(&scene, passage, tick);
        if !Arc::ptr_eq(&scene, &self.scene) {
            self.on_air = scene.on_air();
            self.scene = scene;
        }
        self.view.paint(tick)
    }

    fn send(&mut self, mut frame: gst::Buffer, tick: u64, duration: u64) {
        let Some(input) = self.shared.video_in.lock().clone() else {
            self.shared.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        };
        if input.frames.current_level_buffers() >= self.encoder_room {
            self.shared.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        if tick >= self.keyframe_at && self.feed.take_keyframe_request() {
            self.keyframe_at = tick + KEYFRAME_PAUSE;
            let event = gst_video::UpstreamForceKeyUnitEvent::builder()
                .all_headers(true)
                .build();
            input.encoded.send_event(event);
        }
        let inner = frame.make_mut();
        inner.set_pts(gst::ClockTime::from_nseconds(tick));
        inner.set_duration(gst::ClockTime::from_nseconds(duration));
        for window in [&self.window, &self.glimpse] {
            if window.is_open() {
                window.offer(Picture {
                    buffer: frame.copy(),
                    info: self.view.info().clone(),
                    captured: tick,
                    serial: self.view.serial(),
                });
            }
        }
        // Refused by an encoder that is being taken down; the next one takes the next frame.
        let _ = input.frames.push_buffer(frame);
    }
}

struct SoundLoop {
    shared: Arc<Shared>,
    timebase: Timebase,
    mixer: Mixer,
    margin: Margin,
    meters: Meters,
}

impl SoundLoop {
    fn run(mut self) {
        go_first("sound");
        let mut block = [[0.0f32; CHANNELS]; BLOCK];
        let start_of = block_time;
        let mut n = first(self.timebase.now(), start_of);
        while !self.shared.stop.load(Ordering::Relaxed) {
            let (start, end) = (start_of(n), start_of(n + 1));
            let due = end + self.margin.get();
            self.timebase.wait_until(gst::ClockTime::from_nseconds(due));
            if self.timebase.now().nseconds().saturating_sub(due) > CATCH_UP {
                n = first(self.timebase.now(), start_of);
                continue;
            }
            let (inputs, fade) = {
                let mut order = self.shared.mix.lock();
                (order.inputs.clone(), order.fade.take())
            };
            if let Some(length) = fade {
                self.mixer.fade(length);
            }
            self.mixer.mix(n * BLOCK as u64, &inputs, &mut block);
            self.send(&block, start, end - start);
            // Also those that may be heard next.
            let heard = inputs.iter().filter(|input| input.gain > 0.0);
            let spare = heard.filter_map(|input| input.samples.take_spare()).min();
            self.margin.note(spare, end - start);
            self.meters.measure(n * BLOCK as u64, &inputs, &block);
            n += 1;
        }
    }

    fn send(&self, block: &[[f32; CHANNELS]], start: u64, duration: u64) {
        let input = self.shared.audio_in.lock().clone();
        let Some(input) = input.filter(|input| input.current_level_buffers() < SOUND_QUEUE) else {
            return;
        };
        let mut bytes = Vec::with_capacity(size_of_val(block));
        for sample in block.as_flattened() {
            bytes.extend_from_slice(&sample.to_le_bytes());
        }
        let mut buffer = gst::Buffer::from_mut_slice(bytes);
        if let Some(inner) = buffer.get_mut() {
            inner.set_pts(gst::ClockTime::from_nseconds(start));
            inner.set_duration(gst::ClockTime::from_nseconds(duration));
        }
        // Refused by an encoder that is being taken down.
        let _ = input.push_buffer(buffer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sound_goes_on_for_years() {
        let year = 365 * 86_400 * 1_000_000_000;
        let n = first(gst::ClockTime::from_nseconds(10 * year), block_time);
        assert!(block_time(n) >= 10 * year && block_time(n) - 10 * year < 22_000_000);
        assert!(block_time(n + 1) > block_time(n));
    }
}
