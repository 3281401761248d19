// SPDX-License-Identifier: Apache-2.0

import Foundation
import PolicyKit
import TestSupport
import Testing

@testable import PluginScaffolding

struct PluginScaffoldTests {
    private let folder: String

    init() throws {
        folder = "\(FileManager.default.temporaryDirectory.path)/scaffold-\(UUID().uuidString)"
        try FileManager.default.createDirectory(
            atPath: folder, withIntermediateDirectories: true)
    }

    private func scaffold(
        _ kind: PolicyKind = .fairness, sdk: String = Repository.path
    ) throws -> PluginScaffold {
        try PluginScaffold(name: "night-shift", kind: kind, sdk: PolicySDK(path: sdk))
    }

    /// Makes a folder that looks like the repository.
    private func makeSDK(_ name: String) throws -> String {
        for package in ["PolicyKit", "PolicyKitTesting"] {
            let place = "\(folder)/\(name)/Sources/\(package)"
            try FileManager.default.createDirectory(
                atPath: place, withIntermediateDirectories: true)
            try Data().write(to: URL(fileURLWithPath: "\(place)/Package.swift"))
        }
        return "\(folder)/\(name)"
    }

    // MARK: - Writing

    @Test(arguments: PolicyKind.allCases)
    func allFilesAreWritten(kind: PolicyKind) throws {
        let scaffold = try scaffold(kind)
        let place = "\(folder)/deep/\(kind.rawValue)/night-shift"
        try scaffold.write(to: place)
        for (path, text) in scaffold.files {
            #expect(try String(contentsOfFile: "\(place)/\(path)", encoding: .utf8) == text)
            #expect(text.hasSuffix("\n") && !text.hasSuffix("\n\n"), "\(path)")
        }
        #expect(scaffold.files.keys.contains("Package.swift"))
        try FileManager.default.removeItem(atPath: folder)
    }

    @Test func nothingIsWrittenOver() throws {
        let place = "\(folder)/night-shift"
        try FileManager.default.createDirectory(atPath: place, withIntermediateDirectories: true)
        let error = #expect(throws: ScaffoldError.self) { try scaffold().write(to: place) }
        #expect(error?.code == .exists)
        #expect(try FileManager.default.contentsOfDirectory(atPath: place) == [])
        let file = "\(folder)/file"
        try Data("mine".utf8).write(to: URL(fileURLWithPath: file))
        #expect(throws: ScaffoldError.self) { try scaffold().write(to: file) }
        #expect(try String(contentsOfFile: file, encoding: .utf8) == "mine")
        let inside = #expect(throws: ScaffoldError.self) {
            try scaffold().write(to: "\(file)/night-shift")
        }
        #expect(inside?.code == .unwritable)
        try FileManager.default.removeItem(atPath: folder)
    }

    @Test func theHeaderHasTheNumbersOfPolicyKit() throws {
        let scaffold = try scaffold()
        let source = try #require(scaffold.files[scaffold.sourcePath])
        #expect(
            source.contains(
                "0x\(String(policyPluginMagic, radix: 16)), 16, \(policyKitInterface)\n"))
    }

    @Test func pathsAreQuoted() throws {
        let files = try scaffold(sdk: #"/odd "place" with 'marks' \ and"#).files
        let package = try #require(files["Package.swift"])
        #expect(package.contains(#"?? "/odd \"place\" with 'marks' \\ and""#), "\(package)")
    }

    @Test func wordsThatYAMLUnderstandsAreQuoted() throws {
        let scaffold = try PluginScaffold(
            name: "null", kind: .fairness, sdk: PolicySDK(path: "/nowhere"))
        let manifest = try #require(scaffold.files["manifest.yaml"])
        #expect(manifest.contains("pipeline: {fairness: 'null'}"))
        #expect(manifest.contains("name: 'null'\n") && manifest.contains("type: 'null'\n"))
    }

    /// Without the samples there is no model to name.
    @Test func aManifestWithoutSamplesServesRandomWeights() throws {
        let manifest = try #require(scaffold(sdk: "/nowhere").files["manifest.yaml"])
        #expect(manifest.contains("synthetic") && !manifest.contains("nowhere"))
        let sampled = try #require(scaffold().files["manifest.yaml"])
        #expect(sampled.contains("${env:BURROW_SDK:-\(Repository.path)}/Samples/model"))
    }

    @Test func linesAreNoLongerThanTheFormatterAllows() throws {
        for kind in PolicyKind.allCases {
            let scaffold = try scaffold(kind)
            for path in [scaffold.sourcePath, scaffold.testPath] {
                for line in try #require(scaffold.files[path]).split(separator: "\n") {
                    #expect(line.count <= 100, "\(kind.rawValue): \(line)")
                }
            }
        }
    }

    // MARK: - The SDK

    @Test func theSDKIsAboveTheProgram() throws {
        let sdk = try makeSDK("burrow")
        let found = try PolicySDK.find(
            option: nil, environment: [:], program: "\(sdk)/.build/release/burrow", folder: "/")
        #expect(found.path == sdk)
        try FileManager.default.removeItem(atPath: folder)
    }

    @Test func whoSaysWhereItIsIsBelieved() throws {
        let (own, other) = (try makeSDK("own"), try makeSDK("other"))
        let program = "\(own)/.build/release/burrow"
        let byEnvironment = try PolicySDK.find(
            option: nil, environment: ["BURROW_SDK": other], program: program, folder: "/")
        #expect(byEnvironment.path == other)
        let byOption = try PolicySDK.find(
            option: "own", environment: ["BURROW_SDK": other], program: program, folder: folder)
        #expect(byOption.path == own)
        try FileManager.default.removeItem(atPath: folder)
    }

    @Test func anSDKThatIsNotThereIsRefusedWithWhatToDo() throws {
        let above = #expect(throws: ScaffoldError.self) {
            try PolicySDK.find(
                option: nil, environment: [:], program: "\(folder)/bin/burrow", folder: "/")
        }
        #expect(above?.description.contains("--sdk PATH") == true)
        #expect(above?.description.contains("BURROW_SDK") == true)
        for (option, variable) in [("/nowhere", nil), (nil, "/nowhere")] as [(String?, String?)] {
            let error = #expect(throws: ScaffoldError.self) {
                try PolicySDK.find(
                    option: option, environment: variable.map { ["BURROW_SDK": $0] } ?? [:],
                    program: "\(Repository.path)/.build/debug/burrow", folder: "/")
            }
            #expect(error?.code == .missingSDK)
            #expect(error?.description.contains("/nowhere") == true)
        }
    }
}
