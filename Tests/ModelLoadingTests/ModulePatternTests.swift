// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import ModelLoading

struct ModulePatternTests {
    private static let name = "model.layers.1.mlp.down_proj"

    @Test(arguments: [
        ("down_proj", true), ("mlp.down_proj", true), ("layers.1.mlp.down_proj", true),
        ("model.layers.1.mlp.down_proj", true), ("own_proj", false), ("1.mlp.down_proj", true),
        ("layers.11.mlp.down_proj", false), ("proj", false), ("layers.1", false),
        ("mlp-down_proj", false), ("mlp.down.proj", true), ("xmodel.layers.1.mlp.down_proj", false),
        (#"layers\.[01]\.mlp\.down_proj"#, true), (#"layers\.[02]\..*"#, false), (".*proj", true),
        ("a|down_proj|b", true), ("up_proj|gate_proj", false), ("(?:up|down)_proj", true),
    ])
    func pathSuffixesMatchAsInPEFT(pattern: String, expected: Bool) throws {
        #expect(try ModulePattern(pattern, .pathSuffix).matches(Self.name) == expected)
    }

    @Test(arguments: [
        ("down_proj", false), (".*down_proj", true), ("model.layers.1.mlp.down_proj", true),
        (#"model\.layers\.\d+\.mlp\..*"#, true), (".*(self_attn|mlp).*", true), ("model", false),
        (#".*\.(q|k|v|o)_proj"#, false), ("up_proj|.*down_proj", true),
    ])
    func wholeNamesMatchAsFullmatch(pattern: String, expected: Bool) throws {
        #expect(try ModulePattern(pattern, .wholeName).matches(Self.name) == expected)
    }

    @Test(arguments: ["(", "a)|(b", "[z-a]", "(?P<n>q)", "[a&&b]", "[[a]]", "*"])
    func whatPythonAndThisEngineReadDifferentlyIsRefused(pattern: String) {
        #expect(loadingError { _ = try ModulePattern(pattern, .wholeName) } != nil)
    }

    @Test func patternsOfTooManyStepsAreGivenUp() throws {
        let name = "model.layers.1." + String(repeating: "a", count: 60)
        let pattern = try ModulePattern(#"(\w|\.|a\w|aa|aaa)*!"#, .wholeName)
        let error = loadingError { _ = try pattern.matches(name) }
        #expect(error?.message.contains("too many steps") == true)
    }

    @Test func overlongPatternsAreRefused() {
        let text = String(repeating: "a", count: 5000)
        #expect(loadingError { _ = try ModulePattern(text, .wholeName) }?.code == .tooLarge)
    }
}

struct FolderListingTests {
    @Test func onlyFoldersWithAConfigurationAreListedInOrder() throws {
        let folder = try TemporaryFolder()
        for name in ["b", "a", "Z", "empty", ".hidden", "ü"] {
            try FileManager.default.createDirectory(
                atPath: "\(folder.path)/\(name)", withIntermediateDirectories: true)
            if name != "empty" { try folder.write("\(name)/adapter_config.json", "{}") }
        }
        try folder.write("file", "x")
        let entries = try FolderListing.adapters(in: folder.path)
        #expect(entries.map(\.name) == ["Z", "a", "b", "ü"])
        #expect(entries[1].path == "\(folder.path)/a")
    }

    @Test func badNamesAndMissingDirectoriesAreRefused() throws {
        let folder = try TemporaryFolder()
        let path = folder.path
        let long = String(repeating: "n", count: 129)
        try FileManager.default.createDirectory(
            atPath: "\(path)/\(long)", withIntermediateDirectories: true)
        try folder.write("\(long)/adapter_config.json", "{}")
        #expect(loadingError { _ = try FolderListing.adapters(in: path) }?.code == .invalidName)
        #expect(
            loadingError { _ = try FolderListing.adapters(in: "\(path)/none") }?.code == .notFound)
        for name in ["", "a/b", "a\nb", long] {
            #expect(loadingError { try FolderListing.checkName(name) }?.code == .invalidName)
        }
        #expect(loadingError { try FolderListing.checkName("legal v2 é") } == nil)
    }
}
