//! Frames added up: everybody once, and everybody without one. It knows no members.

/// The sum of one turn's frames.
#[derive(Debug, Clone, Default)]
pub struct Mixer {
    sum: Vec<i32>,
}

impl Mixer {
    /// Begins a turn of `samples` samples.
    pub fn clear(&mut self, samples: usize) {
        self.sum.clear();
        self.sum.resize(samples, 0);
    }

    /// Adds a frame.
    ///
    /// ```
    /// let mut mixer = tandem_rtp::audio::mixer::Mixer::default();
    /// mixer.clear(2);
    /// mixer.add(&[30_000, 5]);
    /// mixer.add(&[20_000, 6]);
    /// let (mut all, mut mine) = ([0; 2], [0; 2]);
    /// mixer.write(&mut all);
    /// mixer.without(&[20_000, 6], &mut mine);
    /// assert_eq!(([32_767, 11], [30_000, 5]), (all, mine));
    /// ```
    pub fn add(&mut self, frame: &[i16]) {
        self.sum.iter_mut().zip(frame).for_each(|(sum, &sample)| *sum += i32::from(sample));
    }

    /// Overwrites `out` with the sum, clipped.
    pub fn write(&self, out: &mut [i16]) {
        out.iter_mut().zip(&self.sum).for_each(|(out, &sum)| *out = clip(sum));
    }

    /// Overwrites `out` with the sum less a frame that is in it.
    pub fn without(&self, own: &[i16], out: &mut [i16]) {
        out.iter_mut().zip(&self.sum).zip(own).for_each(|((out, &sum), &own)| *out = clip(sum - i32::from(own)));
    }
}

fn clip(sum: i32) -> i16 {
    sum.clamp(i32::from(i16::MIN), i32::from(i16::MAX)) as i16
}
