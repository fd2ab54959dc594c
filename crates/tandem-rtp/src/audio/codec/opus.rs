//! Opus by libopus: one channel, any of its rates, with its own concealment, in-band FEC and DTX (RFC 6716, RFC 7587). Nothing of RTP.

use opus::{Application, Bitrate, Channels, ErrorCode, Signal};

use super::CodecError;

/// RTP clock, Hz, whatever the rates at both ends (RFC 7587 4.1).
pub const CLOCK: u32 = 48_000;
/// Sample rates that libopus speaks, Hz.
pub const RATES: [u32; 5] = [8_000, 12_000, 16_000, 24_000, 48_000];
/// Bytes that one encoded frame may have: the largest of RFC 6716 3.2.1 for one frame.
pub const FRAME_BYTES: usize = 1_275;
/// Bytes of a packet up to which it says "nothing to hear": DTX (RFC 6716 2.1.9).
pub const DTX_BYTES: usize = 2;
/// Loss that in-band FEC is made for until something else is known, percent.
pub const EXPECTED_LOSS: u8 = 10;

/// What an encoder is asked for. The defaults are those of the relay, not of RFC 7587.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Options {
    /// Bits a second, 6,000 to 510,000.
    pub bitrate: u32,
    /// 0 to 10: CPU for quality.
    pub complexity: u8,
    /// In-band FEC: each frame carries a coarse copy of the one before (LBRR).
    pub fec: bool,
    /// Almost nothing is sent while nobody speaks.
    pub dtx: bool,
    /// Every frame has the same size.
    pub cbr: bool,
    /// Highest rate that the receiver can play, Hz.
    pub playback: u32,
}

impl Default for Options {
    fn default() -> Options {
        Options { bitrate: 24_000, complexity: 5, fec: false, dtx: false, cbr: false, playback: CLOCK }
    }
}

impl Options {
    /// Reads what a peer's a=fmtp says about what it wants to receive (RFC 7587 6.1). What cannot be read keeps its default.
    ///
    /// ```
    /// let options = tandem_rtp::audio::codec::opus::Options::read("minptime=10; useinbandfec=1;maxaveragebitrate=20000");
    /// assert_eq!((true, false, 20_000), (options.fec, options.dtx, options.bitrate));
    /// ```
    pub fn read(fmtp: &str) -> Options {
        let mut options = Options::default();
        for parameter in fmtp.split(';') {
            let Some((name, value)) = parameter.split_once('=') else { continue };
            let value = value.trim();
            let number = value.parse::<u32>().ok();
            match name.trim().to_ascii_lowercase().as_str() {
                "useinbandfec" => options.fec = value == "1",
                "usedtx" => options.dtx = value == "1",
                "cbr" => options.cbr = value == "1",
                "maxaveragebitrate" => options.bitrate = number.map_or(options.bitrate, |n| n.clamp(6_000, options.bitrate)),
                "maxplaybackrate" => options.playback = number.map_or(options.playback, |n| n.clamp(8_000, CLOCK)),
                _ => {}
            }
        }
        options
    }
}

/// The rate at which libopus is asked to work for audio of `rate` Hz: the lowest of its own that loses nothing.
pub fn rate_for(rate: u32) -> u32 {
    RATES.into_iter().find(|&own| own >= rate).unwrap_or(CLOCK)
}

/// Units of the RTP clock that a packet lasts, by its first bytes (RFC 6716 3.1); `None`: it is no Opus packet.
pub fn units(packet: &[u8]) -> Option<u32> {
    opus::packet::get_nb_samples(packet, CLOCK).ok().and_then(|units| u32::try_from(units).ok())
}

/// Encodes one stream.
pub struct Encoder {
    inner: opus::Encoder,
    rate: u32,
}

impl std::fmt::Debug for Encoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "opus::Encoder({} Hz)", self.rate)
    }
}

impl Encoder {
    /// An encoder for samples of `rate` Hz, one of [`RATES`].
    ///
    /// # Errors
    /// [`CodecError::Rate`], [`CodecError::Internal`].
    pub fn new(rate: u32, options: Options) -> Result<Encoder, CodecError> {
        let mut inner = opus::Encoder::new(known(rate)?, Channels::Mono, Application::Voip)?;
        inner.set_signal(Signal::Voice)?;
        inner.set_bitrate(Bitrate::Bits(i32::try_from(options.bitrate.clamp(6_000, 510_000)).unwrap_or(24_000)))?;
        inner.set_complexity(i32::from(options.complexity.min(10)))?;
        inner.set_vbr(!options.cbr)?;
        inner.set_inband_fec(options.fec)?;
        inner.set_packet_loss_perc(if options.fec { i32::from(EXPECTED_LOSS) } else { 0 })?;
        inner.set_dtx(options.dtx)?;
        inner.set_max_bandwidth(match options.playback {
            ..12_000 => opus::Bandwidth::Narrowband,
            12_000..16_000 => opus::Bandwidth::Mediumband,
            16_000..24_000 => opus::Bandwidth::Wideband,
            24_000..48_000 => opus::Bandwidth::Superwideband,
            _ => opus::Bandwidth::Fullband,
        })?;
        Ok(Encoder { inner, rate })
    }

    /// Hz of what it encodes.
    pub fn rate(&self) -> u32 {
        self.rate
    }

    /// Units of the RTP clock by which what is decoded is later than what was encoded: a file's pre-skip (RFC 7845 4.2).
    ///
    /// # Errors
    /// [`CodecError::Internal`].
    pub fn delay_units(&mut self) -> Result<u32, CodecError> {
        let samples = self.inner.get_lookahead()?;
        Ok(u32::try_from(samples).unwrap_or_default() * (CLOCK / self.rate))
    }

    /// Makes FEC for a loss of `percent`, as the receiver's reports have it.
    ///
    /// # Errors
    /// [`CodecError::Internal`].
    pub fn expect_loss(&mut self, percent: u8) -> Result<(), CodecError> {
        Ok(self.inner.set_packet_loss_perc(i32::from(percent.min(100)))?)
    }

    /// Appends the packet of a frame of 10, 20, 40 or 60 ms.
    ///
    /// # Errors
    /// [`CodecError::Frame`]: another length. [`CodecError::Internal`].
    pub fn encode(&mut self, samples: &[i16], out: &mut Vec<u8>) -> Result<(), CodecError> {
        let mut packet = [0; FRAME_BYTES];
        let bytes = self.inner.encode(samples, &mut packet)?;
        out.extend_from_slice(packet.get(..bytes).unwrap_or_default());
        Ok(())
    }
}

/// Decodes one stream.
pub struct Decoder {
    inner: opus::Decoder,
    rate: u32,
}

impl std::fmt::Debug for Decoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "opus::Decoder({} Hz)", self.rate)
    }
}

impl Decoder {
    /// A decoder to `rate` Hz, one of [`RATES`]. Two channels are mixed to one.
    ///
    /// # Errors
    /// [`CodecError::Rate`], [`CodecError::Internal`].
    pub fn new(rate: u32) -> Result<Decoder, CodecError> {
        Ok(Decoder { inner: opus::Decoder::new(known(rate)?, Channels::Mono)?, rate })
    }

    /// Hz of what it gives.
    pub fn rate(&self) -> u32 {
        self.rate
    }

    /// Appends the samples of a packet.
    ///
    /// # Errors
    /// [`CodecError::Payload`], [`CodecError::Frame`]: it lasts longer than 120 ms.
    pub fn decode(&mut self, packet: &[u8], out: &mut Vec<i16>) -> Result<(), CodecError> {
        // libopus takes a packet without bytes for a lost one.
        let units = units(packet).filter(|_| !packet.is_empty()).ok_or(CodecError::Payload)?;
        self.run(packet, units, false, out)
    }

    /// Appends `units` of the RTP clock that stand for a lost packet: its FEC in the packet after it, `next`, or libopus' own guess.
    ///
    /// # Errors
    /// [`CodecError::Internal`].
    pub fn conceal(&mut self, next: Option<&[u8]>, units: u32, out: &mut Vec<i16>) -> Result<(), CodecError> {
        // libopus conceals multiples of 2.5 ms.
        let units = (units / 120).clamp(1, 48) * 120;
        match next {
            Some(packet) if !packet.is_empty() => self.run(packet, units, true, out),
            _ => self.run(&[], units, false, out),
        }
    }

    fn run(&mut self, packet: &[u8], units: u32, fec: bool, out: &mut Vec<i16>) -> Result<(), CodecError> {
        let samples = (units / (CLOCK / self.rate)) as usize;
        if samples > self.rate as usize * super::FRAME_MS_LIMIT / 1_000 {
            return Err(CodecError::Frame);
        }
        let start = out.len();
        out.resize(start + samples, 0);
        let room = out.get_mut(start..).unwrap_or_default();
        let got = self.inner.decode(packet, room, fec);
        out.truncate(start + got.as_ref().map_or(0, |&got| got.min(samples)));
        got.map(|_| ()).map_err(CodecError::from)
    }
}

fn known(rate: u32) -> Result<u32, CodecError> {
    RATES.into_iter().find(|&own| own == rate).ok_or(CodecError::Rate(rate))
}

impl From<opus::Error> for CodecError {
    fn from(error: opus::Error) -> CodecError {
        match error.code() {
            ErrorCode::InvalidPacket => CodecError::Payload,
            ErrorCode::BadArg => CodecError::Frame,
            _ => CodecError::Internal,
        }
    }
}
