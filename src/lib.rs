//! regie puts a conference on air: laptops and cameras in, one programme out, by RTMP and in the
//! room.
//!
//! # The map
//!
//! | module | what it owns | may use |
//! |---|---|---|
//! | [`model`] | the words: ids, layouts, show, faults, messages | nothing |
//! | [`monitor`] | the memory that carries pictures and levels to panels | model |
//! | [`tls`] | connections by TCP or TLS, and who this machine says it is | venue's `Tls` |
//! | [`calibrate`] | how far picture and sound of one event lie apart | nothing |
//! | [`secret`] | keys, and the masking of texts | nothing |
//! | [`tongue`] | the operator's languages | model |
//! | [`media_file`] | what the slate's files hold | engine's fragments |
//! | [`venue`] | the venue file, checked and resolved | model, secret, tongue, media_file, tls, devices' names |
//! | [`outlet`] | where raw pictures leave a pipeline | nothing |
//! | [`engine`] | all media and the show | model, monitor, calibrate, venue, ingest, relay, control, devices, discovery, outlet, join's addresses |
//! | [`ingest`] | the front doors that laptops push to | engine's inlets, pipes and notes; venue |
//! | [`relay`] | the RTSP server, for both directions | engine's feeds and netlink, ingest, venue |
//! | [`control`] | the Unix socket: server and client | model, monitor, devices, engine's notes |
//! | [`service`] | systemd, signals, starts in a row, logs | engine's notes |
//! | [`launch`] | how an engine is started: by hand, by the system | venue, engine, service, control |
//! | [`discovery`] | rooms on the network: finds them, tells of this one | join's addresses, cli |
//! | [`join`] | how a laptop gets in: this machine's addresses, the join card | model, tongue |
//! | [`devices`] | capture cards and audio inputs: which there are, and when they come and go | model, cli |
//! | [`ctl`] | the shell client | model, join, tongue, devices' words, control's client |
//! | [`cli`] | arguments as types | model, ctl's times |
//! | [`pages`] | man pages and shell completions | cli |
//! | `panel` | the operator's window (GTK, a cargo feature) | model, tongue, control's client |
//! | `screen` | a screen in the building (GTK, the same feature) | model, tongue, discovery, outlet, engine's fragments, pipes and timebase |
//!
//! # Threads
//!
//! `main` is the engine thread: it owns every supervisor and takes notes from everybody. `picture`
//! and `sound` are the programme. `desk` has the audio desk's device opened and lays its sound down.
//! `monitors` paints for panels. `rtsp` serves the relay, `rtmp` laptops that push by RTMP, `srt` passes the datagrams of others on, `memory` writes the state, `control…`
//! serve the socket, `devices` hears of what is plugged and pulled, `pulse` feeds the watchdog, `life` notes
//! how far a unit's start has come, `mDNS_daemon` tells the network of the room. All others are GStreamer's streaming
//! threads; our code on them copies small facts and returns.

pub mod calibrate;
pub mod cli;
pub mod control;
pub mod ctl;
pub mod devices;
pub mod discovery;
pub mod engine;
pub mod ingest;
pub mod join;
pub mod launch;
pub mod media_file;
pub mod model;
pub mod monitor;
pub mod outlet;
pub mod pages;
#[cfg(feature = "panel")]
pub mod panel;
pub mod relay;
#[cfg(feature = "panel")]
pub mod screen;
pub mod secret;
pub mod service;
pub mod tls;
pub mod tongue;
pub mod venue;
