//! Digest against the RFCs' own examples.

use super::*;

const RFC7616: &str = r#"Digest username="Mufasa", realm="http-auth@example.org", uri="/dir/index.html", algorithm=ALG, nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", nc=00000001, cnonce="f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ", qop=auth, response="SUM", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS""#;

fn rfc7616(algorithm: &str, sum: &str) -> String {
    RFC7616.replace("ALG", algorithm).replace("SUM", sum)
}

fn proves(header: &str, user: &[u8], realm: &[u8], password: &[u8], method: &[u8]) -> bool {
    let credentials = Credentials::parse(header.as_bytes()).unwrap();
    let ha1 = Ha1::of(user, realm, password);
    credentials.prove(ha1.get(credentials.algorithm).unwrap(), method)
}

#[test]
fn rfc_7616_3_9_1_md5_and_sha_256_verify() {
    for (algorithm, sum) in
        [("MD5", "8ca523f5e9506fed4657c9700eebdbec"), ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1")]
    {
        let header = rfc7616(algorithm, sum);
        assert!(proves(&header, b"Mufasa", b"http-auth@example.org", b"Circle of Life", b"GET"), "{algorithm}");
        assert!(!proves(&header, b"Mufasa", b"http-auth@example.org", b"circle of life", b"GET"));
        assert!(!proves(&header, b"Mufasa", b"http-auth@example.org", b"Circle of Life", b"PUT"));
    }
}

#[test]
fn sha_512_256_is_fips_180_4s_and_verifies() {
    // FIPS 180-4 example: SHA-512/256("abc")
    let sum = Algorithm::Sha512_256.hash(&[b"abc"]);
    let mut text = [0; 64];
    assert_eq!(b"53048e2681941ef99b2e29b76b4c7dabe4c2d0c634fc6d46e0e2f13107e7af23", hex(&sum, &mut text));
    let ha1 = Ha1::of(b"Mufasa", b"http-auth@example.org", b"Circle of Life");
    let nonce = b"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v";
    let cnonce = b"f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";
    let sum = Credentials::respond(
        Algorithm::Sha512_256,
        ha1.get(Algorithm::Sha512_256).unwrap(),
        nonce,
        Some((1, cnonce)),
        b"GET",
        b"/dir/index.html",
    );
    let header = rfc7616("SHA-512-256", std::str::from_utf8(&sum).unwrap());
    assert!(proves(&header, b"Mufasa", b"http-auth@example.org", b"Circle of Life", b"GET"));
}

#[test]
fn rfc_2617_3_5_verifies_and_without_qop_too() {
    let header = r#"Digest username="Mufasa", realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", uri="/dir/index.html", qop="auth", nc=00000001, cnonce="0a4f113b", response="6629fae49393a05397450978507c4ef1", opaque="5ccc069c403ebaf9f0171e9517f40e41""#;
    assert!(proves(header, b"Mufasa", b"testrealm@host.com", b"Circle Of Life", b"GET"));
    // without qop: md5(HA1:nonce:HA2), the value that RFC 2069's formula gives for the same inputs
    let header = r#"Digest username="Mufasa", realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", uri="/dir/index.html", response="670fd8c2df070c60b045671b8b24ff02""#;
    let credentials = Credentials::parse(header.as_bytes()).unwrap();
    assert_eq!(None, credentials.nc);
    assert!(proves(header, b"Mufasa", b"testrealm@host.com", b"Circle Of Life", b"GET"));
}

#[test]
fn quotes_escapes_case_and_spaces_are_read_as_written() {
    let text =
        b"dIGEST  Username = \"al\\\"i,ce\" ,REALM=\"r\",nonce=\"n\", uri=\"sip:x;a=b\" , response=\"00000000000000000000000000000000\",";
    let credentials = Credentials::parse(text).unwrap();
    assert_eq!(b"al\"i,ce", &credentials.username[..]);
    assert_eq!(b"sip:x;a=b", &credentials.uri[..]);
}

#[test]
fn bad_credentials_name_what_is_wrong() {
    let good = r#"Digest username="a",realm="r",nonce="n",uri="u",response="00000000000000000000000000000000""#;
    let with = |more: &str| Credentials::parse(format!("{good}{more}").as_bytes()).map(drop);
    assert_eq!(Ok(()), with(""));
    assert_eq!(Err(BadCredentials::Value("qop")), with(",qop=auth-int"));
    assert_eq!(Err(BadCredentials::Missing("nc")), with(",qop=auth,cnonce=\"1\""));
    assert_eq!(Err(BadCredentials::Missing("cnonce")), with(",qop=auth,nc=00000001"));
    assert_eq!(Err(BadCredentials::Value("nc")), with(",qop=auth,cnonce=\"1\",nc=000000001"));
    assert_eq!(Err(BadCredentials::Value("algorithm")), with(",algorithm=SHA-1"));
    assert_eq!(Err(BadCredentials::Missing("qop")), with(",algorithm=MD5-sess"));
    assert_eq!(Err(BadCredentials::Value("userhash")), with(",userhash=yes"));
    assert_eq!(Err(BadCredentials::Value("response")), with(",algorithm=SHA-256"));
    assert_eq!(Err(BadCredentials::Twice("realm")), with(",realm=\"s\""));
    assert_eq!(Err(BadCredentials::Syntax), with(",x=\"open"));
    assert_eq!(Err(BadCredentials::Syntax), with(&",a=b".repeat(PARAMETERS)));
    assert_eq!(Err(BadCredentials::Scheme), Credentials::parse(b"Basic abc").map(drop));
    assert_eq!(Err(BadCredentials::Missing("response")), Credentials::parse(b"Digest username=a").map(drop));
}

#[test]
fn a_session_key_is_made_from_ha1_nonce_and_cnonce() {
    // RFC 7616 3.4.2, by hand: A1 = H(user:realm:password):nonce:cnonce
    let (ha1, nonce, cnonce) = (Ha1::of(b"alice", b"r", b"secret"), b"n", b"c");
    for algorithm in [Algorithm::Md5Sess, Algorithm::Sha256Sess, Algorithm::Sha512_256Sess] {
        let (mut one, mut two, mut sum) = ([0; 64], [0; 64], [0; 64]);
        let n = algorithm.bytes();
        let key = algorithm.base().hash(&[hex(ha1.get(algorithm).unwrap(), &mut one), nonce, cnonce]);
        let ha2 = algorithm.base().hash(&[b"INVITE", b"sip:r"]);
        let by_hand = algorithm.base().hash(&[hex(&key[..n], &mut two), nonce, b"00000001", cnonce, b"auth", hex(&ha2[..n], &mut sum)]);
        let response = Credentials::respond(algorithm, ha1.get(algorithm).unwrap(), nonce, Some((1, cnonce)), b"INVITE", b"sip:r");
        assert_eq!(hex(&by_hand[..n], &mut [0; 64]), response, "{}", algorithm.name());
        let header = format!(
            r#"Digest username="alice",realm="r",nonce="n",uri="sip:r",algorithm={},qop=auth,nc=00000001,cnonce="c",response="{}""#,
            algorithm.name(),
            String::from_utf8(response).unwrap()
        );
        assert!(proves(&header, b"alice", b"r", b"secret", b"INVITE"));
        assert!(!proves(&header.replace("-sess", ""), b"alice", b"r", b"secret", b"INVITE"), "the plain form is another proof");
        assert!(!proves(&header, b"alice", b"r", b"guess", b"INVITE"));
    }
}

#[test]
fn rfc_7616_3_9_2_hides_a_users_name_so() {
    let (user, realm) = ("J\u{e4}s\u{f8}n Doe".as_bytes(), b"api@example.org");
    let hash = Algorithm::Sha512_256.userhash(user, realm);
    let expected: &[u8] = b"793263caabb707a56211940d90411ea4a575adeccb7e360aeb624ed06ece9b0b";
    assert_eq!(expected, hex(&hash, &mut [0; 64]));
}
