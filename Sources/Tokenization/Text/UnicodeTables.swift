// SPDX-License-Identifier: Apache-2.0
// Made by Tests/TokenizationTests/Fixtures/make_unicode_tables.py; do not edit.

/// Ranges of scalars in hexadecimal, separated by spaces.
enum UnicodeTables {
    /// General categories of scalars younger than Unicode 14.
    static let categories = """
        Cf:13439-1343f Ll:1c8a Ll:a7cd Ll:a7db Ll:10d70-10d85 Ll:1df25-1df2a Lm:10d4e \
        Lm:10d6f Lm:16d40-16d42 Lm:16d6b-16d6c Lm:1e030-1e06d Lm:1e4eb Lo:105c0-105f3 \
        Lo:10d4a-10d4d Lo:10d4f Lo:10ec2-10ec4 Lo:1123f-11240 Lo:11380-11389 Lo:1138b \
        Lo:1138e Lo:11390-113b5 Lo:113b7 Lo:113d1 Lo:113d3 Lo:11bc0-11be0 Lo:11f02 \
        Lo:11f04-11f10 Lo:11f12-11f33 Lo:1342f Lo:13441-13446 Lo:13460-143fa Lo:16100-1611d \
        Lo:16d43-16d6a Lo:18cff Lo:1b132 Lo:1b155 Lo:1e4d0-1e4ea Lo:1e5d0-1e5ed Lo:1e5f0 \
        Lo:2b739 Lo:2ebf0-2ee5d Lo:31350-323af Lu:1c89 Lu:a7cb-a7cc Lu:a7da Lu:a7dc \
        Lu:10d50-10d65 Mc:cf3 Mc:113b8-113ba Mc:113c2 Mc:113c5 Mc:113c7-113ca Mc:113cc-113cd \
        Mc:113cf Mc:1171e Mc:11f03 Mc:11f34-11f35 Mc:11f3e-11f3f Mc:11f41 Mc:1612a-1612c \
        Mn:897 Mn:ece Mn:10d69-10d6d Mn:10efc-10eff Mn:11241 Mn:113bb-113c0 Mn:113ce Mn:113d0 \
        Mn:113d2 Mn:113e1-113e2 Mn:11f00-11f01 Mn:11f36-11f3a Mn:11f40 Mn:11f42 Mn:11f5a \
        Mn:13440 Mn:13447-13455 Mn:1611e-16129 Mn:1612d-1612f Mn:1e08f Mn:1e4ec-1e4ef \
        Mn:1e5ee-1e5ef Nd:10d40-10d49 Nd:116d0-116e3 Nd:11bf0-11bf9 Nd:11f50-11f59 \
        Nd:16130-16139 Nd:16d70-16d79 Nd:1ccf0-1ccf9 Nd:1e4f0-1e4f9 Nd:1e5f1-1e5fa \
        No:1d2c0-1d2d3 Pd:10d6e Po:1b4e-1b4f Po:1b7f Po:113d4-113d5 Po:113d7-113d8 \
        Po:11b00-11b09 Po:11be1 Po:11f43-11f4f Po:16d6d-16d6f Po:1e5ff Sm:10d8e-10d8f \
        So:2427-2429 So:2ffc-2fff So:31e4-31e5 So:31ef So:1cc00-1ccef So:1cd00-1ceb3 So:1f6dc \
        So:1f774-1f776 So:1f77b-1f77f So:1f7d9 So:1f8b2-1f8bb So:1f8c0-1f8c1 So:1fa75-1fa77 \
        So:1fa87-1fa89 So:1fa8f So:1faad-1faaf So:1fabb-1fabf So:1fac6 So:1face-1facf \
        So:1fada-1fadc So:1fadf So:1fae8-1fae9 So:1faf7-1faf8 So:1fbcb-1fbef
        """

    /// Every known script with its scalars younger than Unicode 14.
    static let scripts = """
        Han:2b739,2ebf0-2ee5d,31350-323af Hiragana:1b132 Katakana:1b155 Hangul: \
        Latin:a7cb-a7cd,a7da-a7dc,1df25-1df2a Cyrillic:1c89-1c8a,1e030-1e06d,1e08f Greek: \
        Arabic:897,10ec2-10ec4,10efc-10eff Hebrew: Thai: Devanagari:11b00-11b09 Bengali: \
        Tamil: Telugu: Kannada:cf3 Malayalam: Gujarati: Gurmukhi: Sinhala: Khmer: Lao:ece \
        Myanmar:116d0-116e3 Tibetan: Georgian: Armenian: Ethiopic: Mongolian: Bopomofo:
        """

    /// Alphabetic beyond `\p{Alphabetic}` of Unicode 14.
    static let alphabetic = """
        363-36f 897 c04 cf3 f82-f83 1c89-1c8a 1dd3-1de6 a7cb-a7cd a7da-a7dc 105c0-105f3 \
        10d4a-10d65 10d69 10d6f-10d85 10ec2-10ec4 10efc 11080-11081 1123f-11241 11380-11389 \
        1138b 1138e 11390-113b5 113b7-113c0 113c2 113c5 113c7-113ca 113cc-113cd 113d1 113d3 \
        11bc0-11be0 11f00-11f10 11f12-11f3a 11f3e-11f40 1342f 13441-13446 13460-143fa \
        16100-1612e 16d40-16d6c 18cff 1b132 1b155 1df25-1df2a 1e030-1e06d 1e08f 1e4d0-1e4eb \
        1e5d0-1e5ed 1e5f0 2b739 2ebf0-2ee5d 31350-323af
        """

    /// `\w` of Oniguruma beyond Alphabetic, M, Nd and Pc of Unicode 14.
    static let word = """
        b2-b3 b9 bc-be 897 cf3 ece 1c89-1c8a a7cb-a7cd a7da-a7dc 105c0-105f3 10d40-10d65 \
        10d69-10d6d 10d6f-10d85 10ec2-10ec4 10efc-10eff 1123f-11241 11380-11389 1138b 1138e \
        11390-113b5 113b7-113c0 113c2 113c5 113c7-113ca 113cc-113d3 113e1-113e2 116d0-116e3 \
        11bc0-11be0 11bf0-11bf9 11f00-11f10 11f12-11f3a 11f3e-11f42 11f50-11f5a 1342f \
        13440-13455 13460-143fa 16100-16139 16d40-16d6c 16d70-16d79 18cff 1b132 1b155 \
        1ccf0-1ccf9 1df25-1df2a 1e030-1e06d 1e08f 1e4d0-1e4f9 1e5d0-1e5fa 2b739 2ebf0-2ee5d \
        31350-323af
        """

    /// `\w` of the Whitespace pre-tokenizer beyond the same.
    static let whitespaceWord = """
        897 cf3 ece 1c89-1c8a 200c-200d a7cb-a7cd a7da-a7dc 105c0-105f3 10d40-10d65 \
        10d69-10d6d 10d6f-10d85 10ec2-10ec4 10efc-10eff 1123f-11241 11380-11389 1138b 1138e \
        11390-113b5 113b7-113c0 113c2 113c5 113c7-113ca 113cc-113d3 113e1-113e2 116d0-116e3 \
        11bc0-11be0 11bf0-11bf9 11f00-11f10 11f12-11f3a 11f3e-11f42 11f50-11f5a 1342f \
        13440-13455 13460-143fa 16100-16139 16d40-16d6c 16d70-16d79 18cff 1b132 1b155 \
        1ccf0-1ccf9 1df25-1df2a 1e030-1e06d 1e08f 1e4d0-1e4f9 1e5d0-1e5fa 2b739 2ebf0-2ee5d \
        31350-323af
        """

    /// What Digits takes for a number beyond N of Unicode 14.
    static let numeric = """
        10d40-10d49 116d0-116e3 11bf0-11bf9 11de0-11de9 11f50-11f59 16130-16139 16d70-16d79 \
        16ff4-16ff6 1ccf0-1ccf9 1d2c0-1d2d3 1e4f0-1e4f9 1e5f1-1e5fa
        """

    /// All that Punctuation takes for punctuation.
    static let punctuation = """
        21-2f 3a-40 5b-60 7b-7e a1 a7 ab b6-b7 bb bf 37e 387 55a-55f 589-58a 5be 5c0 5c3 5c6 \
        5f3-5f4 609-60a 60c-60d 61b 61e-61f 66a-66d 6d4 700-70d 7f7-7f9 830-83e 85e 964-965 \
        970 af0 df4 e4f e5a-e5b f04-f12 f14 f3a-f3d f85 fd0-fd4 fd9-fda 104a-104f 10fb \
        1360-1368 1400 166d-166e 169b-169c 16eb-16ed 1735-1736 17d4-17d6 17d8-17da 1800-180a \
        1944-1945 1a1e-1a1f 1aa0-1aa6 1aa8-1aad 1b5a-1b60 1bfc-1bff 1c3b-1c3f 1c7e-1c7f \
        1cc0-1cc7 1cd3 2010-2027 2030-2043 2045-2051 2053-205e 207d-207e 208d-208e 2308-230b \
        2329-232a 2768-2775 27c5-27c6 27e6-27ef 2983-2998 29d8-29db 29fc-29fd 2cf9-2cfc \
        2cfe-2cff 2d70 2e00-2e2e 2e30-2e42 3001-3003 3008-3011 3014-301f 3030 303d 30a0 30fb \
        a4fe-a4ff a60d-a60f a673 a67e a6f2-a6f7 a874-a877 a8ce-a8cf a8f8-a8fa a8fc a92e-a92f \
        a95f a9c1-a9cd a9de-a9df aa5c-aa5f aade-aadf aaf0-aaf1 abeb fd3e-fd3f fe10-fe19 \
        fe30-fe52 fe54-fe61 fe63 fe68 fe6a-fe6b ff01-ff03 ff05-ff0a ff0c-ff0f ff1a-ff1b \
        ff1f-ff20 ff3b-ff3d ff3f ff5b ff5d ff5f-ff65 10100-10102 1039f 103d0 1056f 10857 \
        1091f 1093f 10a50-10a58 10a7f 10af0-10af6 10b39-10b3f 10b99-10b9c 11047-1104d \
        110bb-110bc 110be-110c1 11140-11143 11174-11175 111c5-111c9 111cd 111db 111dd-111df \
        11238-1123d 112a9 114c6 115c1-115d7 11641-11643 1173c-1173e 12470-12474 16a6e-16a6f \
        16af5 16b37-16b3b 16b44 1bc9f 1da87-1da8b
        """

    /// All that StripAccents removes.
    static let accents = """
        300-36f 483-489 591-5bd 5bf 5c1-5c2 5c4-5c5 5c7 610-61a 64b-65f 670 6d6-6dc 6df-6e4 \
        6e7-6e8 6ea-6ed 711 730-74a 7a6-7b0 7eb-7f3 816-819 81b-823 825-827 829-82d 859-85b \
        8d4-8e1 8e3-903 93a-93c 93e-94f 951-957 962-963 981-983 9bc 9be-9c4 9c7-9c8 9cb-9cd \
        9d7 9e2-9e3 a01-a03 a3c a3e-a42 a47-a48 a4b-a4d a51 a70-a71 a75 a81-a83 abc abe-ac5 \
        ac7-ac9 acb-acd ae2-ae3 b01-b03 b3c b3e-b44 b47-b48 b4b-b4d b56-b57 b62-b63 b82 \
        bbe-bc2 bc6-bc8 bca-bcd bd7 c00-c03 c3e-c44 c46-c48 c4a-c4d c55-c56 c62-c63 c81-c83 \
        cbc cbe-cc4 cc6-cc8 cca-ccd cd5-cd6 ce2-ce3 d01-d03 d3e-d44 d46-d48 d4a-d4d d57 \
        d62-d63 d82-d83 dca dcf-dd4 dd6 dd8-ddf df2-df3 e31 e34-e3a e47-e4e eb1 eb4-eb9 \
        ebb-ebc ec8-ecd f18-f19 f35 f37 f39 f3e-f3f f71-f84 f86-f87 f8d-f97 f99-fbc fc6 \
        102b-103e 1056-1059 105e-1060 1062-1064 1067-106d 1071-1074 1082-108d 108f 109a-109d \
        135d-135f 1712-1714 1732-1734 1752-1753 1772-1773 17b4-17d3 17dd 180b-180d 1885-1886 \
        18a9 1920-192b 1930-193b 1a17-1a1b 1a55-1a5e 1a60-1a7c 1a7f 1ab0-1abe 1b00-1b04 \
        1b34-1b44 1b6b-1b73 1b80-1b82 1ba1-1bad 1be6-1bf3 1c24-1c37 1cd0-1cd2 1cd4-1ce8 1ced \
        1cf2-1cf4 1cf8-1cf9 1dc0-1df5 1dfb-1dff 20d0-20f0 2cef-2cf1 2d7f 2de0-2dff 302a-302f \
        3099-309a a66f-a672 a674-a67d a69e-a69f a6f0-a6f1 a802 a806 a80b a823-a827 a880-a881 \
        a8b4-a8c5 a8e0-a8f1 a926-a92d a947-a953 a980-a983 a9b3-a9c0 a9e5 aa29-aa36 aa43 \
        aa4c-aa4d aa7b-aa7d aab0 aab2-aab4 aab7-aab8 aabe-aabf aac1 aaeb-aaef aaf5-aaf6 \
        abe3-abea abec-abed fb1e fe00-fe0f fe20-fe2f 101fd 102e0 10376-1037a 10a01-10a03 \
        10a05-10a06 10a0c-10a0f 10a38-10a3a 10a3f 10ae5-10ae6 11000-11002 11038-11046 \
        1107f-11082 110b0-110ba 11100-11102 11127-11134 11173 11180-11182 111b3-111c0 \
        111ca-111cc 1122c-11237 1123e 112df-112ea 11300-11303 1133c 1133e-11344 11347-11348 \
        1134b-1134d 11357 11362-11363 11366-1136c 11370-11374 11435-11446 114b0-114c3 \
        115af-115b5 115b8-115c0 115dc-115dd 11630-11640 116ab-116b7 1171d-1172b 11c2f-11c36 \
        11c38-11c3f 11c92-11ca7 11ca9-11cb6 16af0-16af4 16b30-16b36 16f51-16f7e 16f8f-16f92 \
        1bc9d-1bc9e 1d165-1d169 1d16d-1d172 1d17b-1d182 1d185-1d18b 1d1aa-1d1ad 1d242-1d244 \
        1da00-1da36 1da3b-1da6c 1da75 1da84 1da9b-1da9f 1daa1-1daaf 1e000-1e006 1e008-1e018 \
        1e01b-1e021 1e023-1e024 1e026-1e02a 1e8d0-1e8d6 1e944-1e94a e0100-e01ef
        """

    /// What the normalizers leave alone although Unicode 15 would not.
    static let lateScalars = """
        7fd 898-89f 8ca-8d3 9fe c3c d3b-d3c eba 1715 1abf-1ace 1df6-1dfa 32ff a7f2-a7f4 a82c \
        ab69 10781-10785 10787-107b0 107b2-107ba 10d24-10d27 10eab-10eac 10efd-10eff \
        10f46-10f50 10f82-10f85 11070 1133b 1145e 11839-1183a 11938 1193d-1193e 11943 119e0 \
        11a34 11a47 11a99 11d42 11d44-11d45 11d97 11f41-11f42 16ff0-16ff1 1e030-1e06d 1e08f \
        1e130-1e136 1e2ae 1e2ec-1e2ef 1e4ec-1e4ef 1f16c 1fbf0-1fbf9
        """
}
