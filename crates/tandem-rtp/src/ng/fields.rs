//! A command's dictionary, read key by key into one value for all commands. Which keys a command needs is not known here.

use super::answer::Failure;
use super::options::Options;
use super::party::Party;
use super::sound::SoundFields;
use super::value::Value;
use super::{flags, keys};

/// Warnings kept for one command.
const WARNINGS: usize = 32;

/// All that a dictionary told.
#[derive(Debug, Default)]
pub(super) struct Fields {
    pub id: Option<String>,
    pub call: Option<String>,
    pub branch: Option<String>,
    pub sdp: Option<Vec<u8>>,
    pub party: Party,
    pub options: Options,
    pub limit: Option<usize>,
    pub delete_delay: Option<u32>,
    pub fatal: bool,
    pub fast: bool,
    pub honour_to_tag: bool,
    pub pause: bool,
    pub file: Option<String>,
    pub blob: Option<Vec<u8>>,
    pub database: Option<i64>,
    pub times: Option<u32>,
    pub play_ms: Option<u32>,
    pub start_ms: Option<u32>,
    pub block_egress: bool,
    pub event: Option<u8>,
    pub event_ms: Option<u32>,
    pub volume: Option<u8>,
    pub pause_ms: Option<u32>,
    pub tap_seconds: Option<u32>,
    pub sound: SoundFields,
    pub warnings: Vec<String>,
}

impl Fields {
    /// Reads a dictionary.
    pub fn read(message: &Value) -> Result<Fields, Failure> {
        let mut fields = Fields::default();
        for (key, value) in message.entries() {
            let name = String::from_utf8_lossy(key);
            if !keys::read(&mut fields, &name, value)? {
                fields.warn(format!("key '{}' is unknown", Value::text(key).shown()));
            }
        }
        Ok(fields)
    }

    /// Reads one flag.
    pub fn flag(&mut self, value: &Value) -> Result<(), Failure> {
        match value.as_str() {
            Some(text) if flags::read(self, text)? => {}
            _ => self.warn(format!("flag '{}' is unknown", value.shown())),
        }
        Ok(())
    }

    /// A value of a known key that is none of those known.
    pub fn unknown(&mut self, key: &str, value: &Value) {
        self.warn(format!("{key}: '{}' is unknown", value.shown()));
    }

    /// Something that is understood and not done by this relay.
    pub fn unserved(&mut self, what: &str) {
        self.warn(format!("{what} is not served"));
    }

    fn warn(&mut self, warning: String) {
        if self.warnings.len() < WARNINGS && !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }
}
