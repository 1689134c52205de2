//! The line above a meter that says in words what must not be overlooked: clipping, silence.

use std::time::{Duration, Instant};

use crate::monitor::Levels;
use crate::tongue::Tongue;

use super::show::{set_class, set_text};

/// How long a clip stays written.
const CLIP: Duration = Duration::from_secs(3);

/// What a meter has to say.
#[derive(Debug, Default)]
pub struct Alarm {
    clips: Option<u64>,
    clipped: Option<Instant>,
}

impl Alarm {
    /// Writes it into `label`. `silent` says whether the engine calls it so: it knows what should be
    /// heard.
    pub fn show(
        &mut self,
        label: &gtk::Label,
        tongue: Tongue,
        levels: Option<&Levels>,
        silent: bool,
    ) {
        let now = Instant::now();
        if let Some(levels) = levels {
            if self.clips.is_some_and(|before| levels.clips > before) {
                self.clipped = Some(now);
            }
            self.clips = Some(levels.clips);
        }
        let clips = (self.clipped).is_some_and(|at| now.duration_since(at) < CLIP);
        let text = if clips {
            tongue.tr("Clip")
        } else if silent {
            tongue.tr("Silent")
        } else {
            ""
        };
        set_text(label, text);
        set_class(label, "clip", clips);
        set_class(label, "silent", silent && !clips);
    }
}
