//! The words of regie as types: ids, layouts, the show, faults, and the messages of the control
//! socket. Pure data: no GStreamer, no GTK, no input or output.

#![deny(missing_docs)]

pub mod alarm;
pub mod calibration;
pub mod device;
pub mod fault;
pub mod id;
pub mod join;
pub mod layout;
pub mod letterbox;
pub mod message;
pub mod monitor;
pub mod phrase;
pub mod pixels;
pub mod show;
pub mod status;
pub mod transition;

pub use alarm::Alarm;
pub use calibration::{Calibration, Progress};
pub use device::{Device, Inventory};
pub use fault::{Fault, Said, Scope, Severity};
pub use id::{LayoutId, MountPath, OutputId, RoleId, SourceId};
pub use join::{Entrance, Invitation};
pub use layout::{Border, Colour, Crop, Fit, Layout, PixelRect, Rect, Slot, SlotLabel};
pub use letterbox::Letterbox;
pub use message::{Command, Event, Refused, Reply, Request, Transition};
pub use monitor::{View, ViewRequest};
pub use phrase::Phrase;
pub use pixels::Pixels;
pub use show::{Gain, ShowState};
pub use status::{SlateSound, Snapshot};
pub use transition::Passage;
