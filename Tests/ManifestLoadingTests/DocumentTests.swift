// SPDX-License-Identifier: Apache-2.0

import Foundation
import PolicyKit
import TestSupport
import Testing

@testable import ManifestLoading

@Suite struct DocumentTests {
    static let broken: [(String, String)] = [
        ("", "m.yaml: error: the file is empty"),
        ("# nothing\n", "m.yaml: error: the file is empty"),
        ("a: 1\n\tb: 2\n", "m.yaml:2:1: error: a tab cannot indent; use spaces"),
        ("a: b\u{0}c", "m.yaml:1:5: error: the character U+0000 is not allowed in YAML"),
        ("ä: \u{1}", "m.yaml:1:4: error: the character U+0001 is not allowed in YAML"),
        ("a: 1\r\nb: \u{FEFF}", "m.yaml:2:4: error: the character U+FEFF is not allowed in YAML"),
        ("a: `x`", "m.yaml:1:4: error: a text that begins with '`' needs quotes"),
        ("[1, 2", "did not find expected ',' or ']'"),
        ("\"a", "found unexpected end of stream"),
        ("a: b: c", "m.yaml:1:5: error: mapping values are not allowed in this context"),
        ("--- a\n--- b\n", "m.yaml:2:1: error: a file holds one manifest"),
        ("{[a]: 1}", "m.yaml:1:2: error: a key is a plain word"),
        ("*a : 1", "m.yaml:1:1: error: a key is a plain word"),
        ("%YAML 3.0\n---\na: 1", "found incompatible YAML document"),
        ("just text", "m.yaml:1:1: error: expected a mapping, found 'just text'"),
        ("- 1", "m.yaml:1:1: error: expected a mapping, found a list"),
    ]

    @Test(arguments: broken)
    func unreadableDocumentSaysWhere(text: String, fault: String) {
        let faults = Fixtures.faults(text)
        #expect(faults.contains { $0.contains(fault) }, "\(faults)")
    }

    @Test func textThatIsNotUTF8IsRefusedWithItsPlace() {
        let bytes = Array("a: 1\nb: ".utf8) + [0xC3, 0x28]
        let document = ManifestDocument(bytes, file: "m.yaml", directory: "/")
        #expect(
            document.validate(policies: []).diagnostics.map(\.headline) == [
                "m.yaml:2:4: error: the text is not UTF-8"
            ])
        let wide: [UInt8] = [0xFF, 0xFE, 0x61, 0x00]
        let other = ManifestDocument(wide, file: "m.yaml", directory: "/")
        #expect(other.validate(policies: []).diagnostics.count == 1)
    }

    @Test func byteOrderMarkIsPassedOver() {
        let text = "\u{FEFF}" + Fixtures.manifest()
        #expect(Fixtures.validate(text).manifest != nil)
    }

    @Test(arguments: ["\r\n", "\r", "\n", "\u{85}", "\u{2028}"])
    func positionsCountLinesAsYAMLDoes(lineBreak: String) throws {
        let text = Fixtures.manifest("  limits: {queue: 0}")
        let changed = text.split(separator: "\n").joined(separator: lineBreak)
        let diagnostic = try #require(Fixtures.validate(changed).diagnostics.first)
        #expect(diagnostic.position?.line == 6)
        #expect(diagnostic.sourceLine == "  limits: {queue: 0}")
    }

    @Test func columnsCountCharacters() throws {
        let text = Fixtures.manifest(#"  limits: {adapterRoots: ["/päth/🦊"], queue: 0}"#)
        let diagnostic = try #require(Fixtures.validate(text).diagnostics.first)
        #expect(diagnostic.position?.column == 46)
        let caret = try #require(diagnostic.rendered.split(separator: "\n").last)
        #expect(caret == "    " + String(repeating: " ", count: 45) + "^")
    }

    @Test func scalarsMeanWhatTheSchemaSays() throws {
        let text = """
            apiVersion: burrow/v1
            kind: Host
            metadata: {name: no}
            spec: {model: {path: 007, name: on}}
            """
        let manifest = try #require(Fixtures.validate(text).manifest)
        #expect(manifest.metadata.name.value == "no")
        #expect(manifest.spec.model.source == .path(Located("/manifests/007")))
        #expect(manifest.spec.model.name?.value == "on")
    }

    @Test func aliasesStandForTheirAnchors() throws {
        let text = Fixtures.manifest(
            """
              adapters:
                - {name: a, path: &where /models/a}
                - {name: b, path: *where}
            """)
        let manifest = try #require(Fixtures.validate(text).manifest)
        #expect(
            manifest.spec.adapters.last
                == .init(.named(.init(name: Located("b"), path: Located("/models/a")))))
    }

    @Test func aliasBombIsRefused() {
        var text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
        for level in 1...20 {
            let aliases = Array(repeating: "*a\(level - 1)", count: 10).joined(separator: ", ")
            text += "a\(level): &a\(level) [\(aliases)]\n"
        }
        let faults = Fixtures.faults(text)
        #expect(faults.count == 1)
        #expect(faults[0].contains("more than 100000 values, aliases expanded"))
    }

    @Test(arguments: ["[", "{a: ", "- ", "? "])
    func deepNestingIsRefused(opening: String) {
        let faults = Fixtures.faults(String(repeating: opening, count: 20_000))
        #expect(faults.count == 1)
    }

    @Test func deepAliasesAreRefused() {
        let nest = String(repeating: "[", count: 40) + String(repeating: "]", count: 40)
        let use = String(repeating: "[", count: 40) + "*a" + String(repeating: "]", count: 40)
        #expect(
            Fixtures.faults("a: &a \(nest)\nb: \(use)") == [
                "m.yaml:2:44: error: the document nests deeper than 64 levels"
            ])
        let allowed = String(repeating: "[", count: 60) + String(repeating: "]", count: 60)
        #expect(!Fixtures.faults("a: \(allowed)").contains { $0.contains("deeper") })
    }

    @Test func megabyteOfGarbageIsRefused() {
        var random = SeededRandom(seed: 7)
        let garbage = (0..<(1 << 20)).map { _ in UInt8.random(in: 0...255, using: &random) }
        let document = ManifestDocument(garbage, file: "m.yaml", directory: "/")
        #expect(document.validate(policies: []).diagnostics.count == 1)
        let large = ManifestDocument(garbage + [0], file: "m.yaml", directory: "/")
        #expect(
            large.validate(policies: []).diagnostics.map(\.headline) == [
                "m.yaml: error: the file is larger than 1048576 bytes"
            ])
    }

    @Test func megabyteOfUnknownKeysIsReportedInPart() {
        let keys = (0..<30_000).map { "unknown-key-number-\($0): x" }.joined(separator: "\n")
        let diagnostics = Fixtures.validate(keys).diagnostics
        #expect(diagnostics.count == ManifestDocument.maximumDiagnostics + 1)
        #expect(diagnostics.last?.message == "there are more faults, which are not shown")
    }

    @Test func longLineIsShownInPart() throws {
        let filler = String(repeating: "x", count: 3000)
        let text = Fixtures.manifest("  limits: {adapterRoots: [/\(filler)], queue: 0}")
        let diagnostic = try #require(Fixtures.validate(text).diagnostics.first)
        let lines = diagnostic.rendered.split(separator: "\n")
        #expect(lines.count == 3)
        #expect(lines.dropFirst().allSatisfy { $0.count <= 170 })
        #expect(lines[1].contains("queue: 0"))
    }

    @Test func fileIsReadFromItsFolder() throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let file = folder.appending(path: "host.yaml")
        try Fixtures.manifest().write(to: file, atomically: true, encoding: .utf8)
        let validation = ManifestDocument(contentsOf: file.path).validate(
            policies: Fixtures.policies)
        let manifest = try #require(validation.manifest)
        #expect(manifest.spec.model.source == .path(Located(folder.path + "/model")))
    }

    @Test func unreadableFileIsADiagnostic() {
        let missing = ManifestDocument(contentsOf: "/nowhere/m.yaml").validate(policies: [])
        #expect(
            missing.diagnostics.map(\.rendered) == [
                "/nowhere/m.yaml: error: the file cannot be read: No such file or directory"
            ])
        let folder = ManifestDocument(contentsOf: "/").validate(policies: [])
        #expect(folder.diagnostics.map(\.message) == ["the file cannot be read: it is not a file"])
    }

    @Test func diagnosticsEncodeAsJSON() throws {
        let diagnostics = Fixtures.validate(Fixtures.manifest("  limts: {}")).diagnostics
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys]
        let json = String(decoding: try encoder.encode(diagnostics), as: UTF8.self)
        #expect(
            json == #"[{"column":3,"endColumn":8,"file":"m.yaml","line":6,"#
                + #""message":"unknown key 'limts'","path":"spec","severity":"error","#
                + #""suggestion":"limits"}]"#)
    }

    @Test func hostCanAddDiagnosticsOfItsOwn() {
        let document = Fixtures.document(Fixtures.manifest())
        let position = SourcePosition(line: 5, column: 17, endColumn: 22)
        let diagnostic = document.diagnostic(
            "there is no config.json in it", at: position, path: "spec.model.path")
        #expect(
            diagnostic.rendered == """
                m.yaml:5:17: error: spec.model.path: there is no config.json in it
                      model: {path: model}
                                    ^~~~~
                """)
    }
}
