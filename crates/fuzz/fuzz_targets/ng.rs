//! An ng message is a command or a reason, and its dictionary is written as it was read.
#![no_main]

use tandem_rtp::ng::{bencode, json, read, write, Form, Request};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some(question) = read(bytes) else { return };
    let Ok(value) = question.body else { return };
    let _ = Request::read(&value);
    let mut out = Vec::new();
    match question.form {
        Form::Bencode => {
            bencode::write(&value, &mut out);
            let again = bencode::read(&out).expect("what was read can be written");
            let mut twice = Vec::new();
            bencode::write(&again, &mut twice);
            assert_eq!(out, twice);
        }
        Form::Json => {
            json::write(&value, &mut out);
            assert_eq!(Ok(&value), json::read(&out).as_ref());
        }
    }
    assert!(read(&write(question.cookie, question.form, &value)).is_some_and(|again| again.cookie == question.cookie));
});
