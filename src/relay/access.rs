//! Who may do what at the RTSP server. Paths are open but for `/ingest/<id>` of a source with a
//! key: there the user is the source's id and the password its key, by digest.

use std::collections::BTreeSet;
use std::sync::Arc;

use glib::subclass::prelude::*;
use gst_rtsp_server::prelude::*;

use crate::ingest::Registry;
use crate::model::SourceId;

use super::path_of;

/// The field of a token that says whose key was shown.
const OWNER: &str = "owner";

glib::wrapper! {
    /// The server's authenticator.
    pub struct Access(ObjectSubclass<imp::Access>) @extends gst_rtsp_server::RTSPAuth;
}

impl Access {
    /// Knows the keys of all places.
    pub fn new(registry: &Arc<Registry>) -> Self {
        let access: Self = glib::Object::new();
        access.set_realm(Some("regie"));
        let mut guarded = BTreeSet::new();
        for (id, key) in registry.places() {
            let Some(key) = key else { continue };
            let token = gst_rtsp_server::RTSPToken::builder()
                .field(OWNER, id.as_str())
                .field("transport.client-settings", true)
                .build();
            access.add_digest(id.as_str(), key.reveal(), &token);
            guarded.insert(id);
        }
        access.set_supported_methods(gst_rtsp::RTSPAuthMethod::Digest);
        // Set once, here only.
        let _ = access.imp().guarded.set(guarded);
        access
    }
}

/// Whose key the path asks for.
fn owner_of(path: &str) -> Option<SourceId> {
    let rest = path.strip_prefix("/ingest/")?;
    rest.split('/').next()?.parse().ok()
}

mod imp {
    use std::collections::BTreeSet;
    use std::sync::OnceLock;

    use glib::subclass::prelude::*;
    use gst_rtsp_server::RTSPContext;
    use gst_rtsp_server::subclass::prelude::*;

    use crate::model::SourceId;

    /// May the client choose the destination of its datagrams? (`GST_RTSP_AUTH_CHECK_…`)
    const CLIENT_SETTINGS: &str = "auth.check.transport.client-settings";

    #[derive(Default)]
    pub struct Access {
        pub(super) guarded: OnceLock<BTreeSet<SourceId>>,
    }

    impl Access {
        /// Whose key the request has to show.
        fn owner(&self, context: &RTSPContext) -> Option<SourceId> {
            let owner = super::owner_of(&super::path_of(context.uri()?))?;
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
            owner.is_none_or(|owner| token.string(super::OWNER).as_deref() == Some(owner.as_str()))
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
    fn only_ingest_paths_have_owners() {
        assert_eq!(
            owner_of("/ingest/laptop").map(String::from),
            Some("laptop".to_owned())
        );
        assert_eq!(
            owner_of("/ingest/laptop/stream=0").map(String::from),
            Some("laptop".to_owned())
        );
        for open in [
            "/programme",
            "/source/laptop",
            "/ingest",
            "/ingest/",
            "/",
            "",
        ] {
            assert_eq!(owner_of(open), None, "{open}");
        }
    }
}
