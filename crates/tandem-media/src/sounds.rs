//! Where sound comes from: files of this host, bytes of a command, tones, and a command that speaks. It plays nothing.

use std::collections::HashMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use tandem_rtp::audio::play::{tones, Item, Sound};
use tandem_rtp::studio::Piece;

/// Largest sound file, in bytes.
pub const FILE_BYTES: u64 = 64 << 20;
/// Bytes of files that are kept in memory for the next time.
pub const CACHE_BYTES: u64 = 256 << 20;
/// Characters that are spoken at once.
pub const SPEECH_CHARACTERS: usize = 4_000;
/// Longest time that a command may need to speak, in seconds.
pub const SPEECH_SECONDS: u64 = 10;

/// Sound files that were opened, and how text is spoken.
#[derive(Debug, Clone, Default)]
pub struct Sounds {
    /// Relative names begin here.
    directory: Option<PathBuf>,
    /// Program and arguments; the text follows, a WAV comes out.
    speech: Vec<String>,
    files: HashMap<PathBuf, File>,
    bytes: u64,
}

#[derive(Debug, Clone)]
struct File {
    changed: Option<SystemTime>,
    bytes: u64,
    sound: Sound,
}

impl Sounds {
    /// No file is open yet.
    pub fn new(directory: Option<PathBuf>, speech: Vec<String>) -> Sounds {
        Sounds { directory, speech, ..Sounds::default() }
    }

    /// Whether making these takes so long that nobody should wait for it.
    pub fn is_slow(pieces: &[Piece]) -> bool {
        pieces.iter().any(|piece| matches!(piece, Piece::Speech(_)))
    }

    /// The sound of these pieces. The error is a reason for a person.
    pub fn items(&mut self, pieces: &[Piece]) -> Result<Vec<Item>, String> {
        pieces.iter().map(|piece| self.item(piece)).collect()
    }

    fn item(&mut self, piece: &Piece) -> Result<Item, String> {
        Ok(match piece {
            Piece::File(name) => Item::File(self.file(name)?),
            Piece::Blob(bytes) => Item::File(Sound::open(bytes[..].into()).map_err(|why| format!("blob: {why}"))?),
            Piece::Tone(name) => Item::Tone(tones::named(name).ok_or_else(|| format!("tone: '{name}' is none"))?, None),
            Piece::Silence(ms) => Item::Silence(*ms),
            Piece::Speech(text) => Item::File(self.speak(text)?),
        })
    }

    fn file(&mut self, name: &str) -> Result<Sound, String> {
        let path = self.directory.as_deref().map_or_else(|| PathBuf::from(name), |directory| directory.join(name));
        let failed = |why: &dyn std::fmt::Display| format!("file: {}: {why}", path.display());
        let about = std::fs::metadata(&path).map_err(|why| failed(&why))?;
        let changed = about.modified().ok();
        if let Some(file) = self.files.get(&path).filter(|file| file.changed == changed && file.bytes == about.len()) {
            return Ok(file.sound.clone());
        }
        if !about.is_file() || about.len() > FILE_BYTES {
            return Err(failed(&format!("is no file of at most {} MiB", FILE_BYTES >> 20)));
        }
        let bytes: Arc<[u8]> = std::fs::read(&path).map_err(|why| failed(&why))?.into();
        let sound = Sound::open(bytes).map_err(|why| failed(&why))?;
        if self.bytes + about.len() > CACHE_BYTES {
            (self.files, self.bytes) = (HashMap::new(), 0);
        }
        self.bytes += about.len() - self.files.get(&path).map_or(0, |file| file.bytes).min(about.len());
        self.files.insert(path, File { changed, bytes: about.len(), sound: sound.clone() });
        Ok(sound)
    }

    fn speak(&self, text: &str) -> Result<Sound, String> {
        let (program, arguments) = self.speech.split_first().ok_or("speech: no command is configured that speaks")?;
        if text.chars().count() > SPEECH_CHARACTERS {
            return Err(format!("speech: at most {SPEECH_CHARACTERS} characters"));
        }
        let mut child = Command::new(program)
            .args(arguments)
            .arg("--") // text that begins with a dash is no option
            .arg(text)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|why| format!("speech: {program}: {why}"))?;
        let out = child.stdout.take();
        let reader = std::thread::spawn(move || {
            let mut bytes = Vec::new();
            out.map(|out| out.take(FILE_BYTES).read_to_end(&mut bytes)).transpose().map(|_| bytes)
        });
        let until = Instant::now() + Duration::from_secs(SPEECH_SECONDS);
        let status = loop {
            match child.try_wait() {
                Ok(Some(status)) => break Ok(status),
                Ok(None) if Instant::now() < until => std::thread::sleep(Duration::from_millis(10)),
                Ok(None) => {
                    let _ = child.kill();
                    let _ = child.wait();
                    break Err(format!("speech: {program} needed more than {SPEECH_SECONDS} s"));
                }
                Err(why) => break Err(format!("speech: {program}: {why}")),
            }
        }?;
        let bytes = reader.join().ok().and_then(Result::ok).unwrap_or_default();
        if !status.success() {
            return Err(format!("speech: {program} ended with {status}"));
        }
        Sound::open(bytes.into()).map_err(|why| format!("speech: {program}: {why}"))
    }
}

/// The name of a call or a room as a part of a file's name.
pub fn file_name(name: &str) -> String {
    let safe = |letter: char| if letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.' | '@') { letter } else { '_' };
    let name: String = name.chars().take(100).map(safe).collect();
    if name.starts_with('.') || name.is_empty() {
        return format!("_{name}");
    }
    name
}

/// A path inside a directory, from a name that a command told.
pub fn inside(directory: &Path, name: &str) -> PathBuf {
    let told = Path::new(name);
    if told.is_absolute() {
        return told.to_owned();
    }
    told.components()
        .filter(|part| matches!(part, std::path::Component::Normal(_)))
        .fold(directory.to_owned(), |path, part| path.join(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_played_is_a_reason_with_its_name() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("text.wav"), "no sound").unwrap();
        let mut sounds = Sounds::new(Some(directory.path().into()), vec![]);
        let mut why = |piece: Piece| sounds.items(&[piece]).unwrap_err();
        assert!(why(Piece::File("none.wav".into())).contains("none.wav"));
        assert!(why(Piece::File("text.wav".into())).contains("neither WAV nor Ogg/Opus"));
        assert!(why(Piece::File(".".into())).contains("is no file"));
        assert!(why(Piece::Tone("hum".into())).contains("hum"));
        assert!(why(Piece::Speech("hello".into())).contains("no command"));
        assert!(why(Piece::Blob(vec![1, 2])).contains("blob"));
    }

    #[test]
    fn a_file_is_read_again_when_it_has_changed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.wav");
        let wav =
            |samples: usize| [&tandem_rtp::audio::file::wav::header(8_000, 1, samples as u32 * 2)[..], &vec![0; samples * 2]].concat();
        let mut sounds = Sounds::new(Some(directory.path().into()), vec![]);
        let mut length = |samples| {
            std::fs::write(&path, wav(samples)).unwrap();
            sounds.file("a.wav").unwrap().milliseconds()
        };
        assert_eq!((100, 200), (length(800), length(1_600)));
    }

    #[test]
    fn a_command_speaks_and_one_that_fails_is_named() {
        let script = |line: &str| Sounds::new(None, ["sh", "-c", line].map(str::to_owned).to_vec());
        assert!(script("exit 3").speak("x").unwrap_err().contains("exit status: 3"));
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("said.wav");
        std::fs::write(&path, [&tandem_rtp::audio::file::wav::header(8_000, 1, 320)[..], &[0; 320]].concat()).unwrap();
        assert_eq!(20, script(&format!("cat {}", path.display())).speak("x").unwrap().milliseconds());
    }

    #[test]
    fn names_of_calls_leave_no_directory() {
        assert_eq!(".._.._etc_passwd".replacen('.', "_.", 1), file_name("../../etc/passwd"));
        assert_eq!(Path::new("/r/etc/x.wav"), inside(Path::new("/r"), "../etc/x.wav"));
    }
}
