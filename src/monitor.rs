//! The operator's monitors and meters, as they pass from the engine to a panel: through memory that
//! the engine owns and lends by its descriptor. The engine writes the newest, a panel reads it when
//! it likes; neither ever waits for the other, and a panel that stalls or dies is not noticed.
//!
//! Both ends use this module: it knows the memory's layout and the levels, and no thread, socket,
//! GStreamer or GTK. [`crate::control::monitor::Reader`] is the panel's way in.

pub mod levels;
pub mod memory;

pub use levels::Levels;
