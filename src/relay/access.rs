//! Who may do what at the RTSP server, by digest. `/ingest/<id>` of a source with a key: user is the
//! source's id, password its key; of a source without: anybody. All else: the user and the password
//! of the venue's `[relay]`, where it names them; else anybody.

use std::collections::BTreeSet;
use std::sync::Arc;

use glib::subclass::prelude::*;
use gst_rtsp_server::prelude::*;

use crate::ingest::Registry;
use crate::venue::Guard;

use super::path_of;

/// The field of a token that says whose key was shown.
const OWNER: &str = "owner";
/// What it says for those that may play; no path of an ingest is spelt so.
const PLAYER: &str = "player";
const INGEST: &str = "/ingest/";

glib::wrapper! {
    /// The server's authenticator.
    pub struct Access(ObjectSubclass<imp::Access>) @extends gst_rtsp_server::RTSPAuth;
}

impl Access {
    /// Knows the keys of all places, and who may play.
    pub fn new(registry: &Arc<Registry>, players: Option<&Guard>) -> Self {
        let access: Self = glib::Object::new();
        access.set_realm(Some("regie"));
        let mut guarded = BTreeSet::new();
        for (id, key) in registry.places() {
            let Some(key) = key else { continue };
            let owner = format!("{INGEST}{id}");
            access.add_digest(id.as_str(), key.reveal(), &token_of(&owner));
            guarded.insert(owner);
        }
        if let Some(guard) = players {
            access.add_digest(&guard.user, guard.password.reveal(), &token_of(PLAYER));
            guarded.insert(PLAYER.to_owned());
        }
        access.set_supported_methods(gst_rtsp::RTSPAuthMethod::Digest);
        // Set once, here only.
        let _ = access.imp().guarded.set(guarded);
        access
    }
}

fn token_of(owner: &str) -> gst_rtsp_server::RTSPToken {
    gst_rtsp_server::RTSPToken::builder()
        .field(OWNER, owner)
        .field("transport.client-settings", true)
        .build()
}

/// Whose key the path asks for, if it has one.
fn owner_of(path: &str) -> String {
    let ingest = path.strip_prefix(INGEST);
    let id = ingest.and_then(|rest| rest.split('/').next());
    match id.filter(|id| !id.is_empty()) {
        Some(id) => format!("{INGEST}{id}"),
        None => PLAYER.to_owned(),
    }
}

mod imp {
    use std::collections::BTreeSet;
    use std::sync::OnceLock;

    use glib::subclass::prelude::*;
    use gst_rtsp_server::RTSPContext;
    use gst_rtsp_server::subclass::prelude::*;

    /// May the client choose the destination of its datagrams? (`GST_RTSP_AUTH_CHECK_…`)
    const CLIENT_SETTINGS: &str = "auth.check.transport.client-settings";

    #[derive(Default)]
    pub struct Access {
        pub(super) guarded: OnceLock<BTreeSet<String>>,
    }

    impl Access {
        /// Whose key the request has to show.
        fn owner(&self, context: &RTSPContext) -> Option<String> {
            let owner = super::owner_of(&super::path_of(context.uri()?));
            self.guarded.get()?.contains(&owner).then_some(owner)
        }
    }

    #[glib::object_subclass]
    impl ObjectSubclass for Access {
        const NAME: &'static str = "RegieAccess";
        type Type = super::Access;
        type ParentType = gst_rtsp_server::RTSPAuth;
    }

    impl ObjectImpl for Access {}

    impl RTSPAuthImpl for Access {
        fn authenticate(&self, context: &RTSPContext) -> bool {
            if !self.parent_authenticate(context) {
                return false;
            }
            // No token at all: the parent answers 401 by itself.
            let Some(token) = context.token() else {
                return true;
            };
            // Somebody else's key is a wrong key.
            let owner = self.owner(context);
            owner.is_none_or(|owner| token.string(super::OWNER).as_deref() == Some(&owner))
        }

        fn check(&self, context: &RTSPContext, check: &glib::GString) -> bool {
            // One look per request, at its URL and before anything is done, decides; the later
            // checks are for media factories with permissions of their own.
            // Nobody may choose where datagrams go but to themselves.
            if check == CLIENT_SETTINGS {
                return false;
            }
            if check != "auth.check.url" || self.owner(context).is_none() {
                return true;
            }
            // The parent lets every URL pass. This check of its asks for a token, answers 401 by
            // itself where there is none, and looks for a field that all our tokens have.
            self.parent_check(context, &CLIENT_SETTINGS.into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_ingest_path_has_its_own_owner_and_all_else_is_for_players() {
        for path in ["/ingest/laptop", "/ingest/laptop/stream=0"] {
            assert_eq!(owner_of(path), "/ingest/laptop");
        }
        for path in [
            "/programme",
            "/programme/stream=1",
            "/source/laptop",
            "/ingest",
            "/ingest/",
            "/",
            "",
        ] {
            assert_eq!(owner_of(path), PLAYER, "{path}");
        }
    }
}
