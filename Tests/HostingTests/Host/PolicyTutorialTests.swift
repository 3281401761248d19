// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

/// The tutorial for those who write policies, carried out in a folder outside the repository.
struct PolicyTutorialTests {
    private static let tutorial = "Documentation/writing-a-policy.md"

    /// The commands of the blocks that run an installed `burrow`, one to a line.
    private func commands(of path: String) throws -> [String] {
        try MarkdownBlock.all(in: path).filter {
            $0.language == "sh" && $0.text.hasPrefix("burrow ")
        }.flatMap { $0.text.split(separator: "\n").map(String.init) }
    }

    private func burrow(_ command: String, in folder: TestFolder) async throws -> CommandResult {
        let path = "export PATH=\"\(Built.folder):$PATH\"; unset BURROW_SDK"
        return try await run("/bin/bash", ["-e", "-c", "\(path)\n\(command)"], in: folder)
    }

    @Test func theReadmeHasTheFiveCommandsOfTheTutorial() throws {
        let commands = try commands(of: "README.md")
        #expect(commands.count == 5)
        #expect(Array(try self.commands(of: Self.tutorial).prefix(5)) == commands)
    }

    /// One package, built once; then it is spoilt in two ways.
    @Test func theTutorialLeadsToAPolicyThatServes() async throws {
        let folder = try TestFolder()
        var server: BurrowProcess?
        var shown = ""
        for command in try commands(of: Self.tutorial) {
            if command.hasPrefix("burrow serve ") {
                let manifest = command.dropFirst("burrow serve ".count)
                server = try await .start(path: "\(folder.path)/\(manifest)")
                continue
            }
            let result = try await burrow(
                command.replacing("127.0.0.1:8080", with: "127.0.0.1:\(server?.port ?? 0)"),
                in: folder)
            #expect(result.status == 0, "\(command): \(result.errors)")
            shown += result.output
        }
        try await #require(server).stop()
        #expect(shown.contains("100 of 100 requests completed"))
        #expect(shown.contains("a host loads it"))
        try expectTheTutorialToBeTrue(of: folder, shown)
        try await expectFaultsToBeTold(of: folder)
        try await expectNothingToBeWrittenOver(in: folder)
    }

    /// Its excerpts of the source and of the output are those of this package.
    private func expectTheTutorialToBeTrue(of folder: TestFolder, _ shown: String) throws {
        let source = try text("Sources/NightShiftFairness/NightShiftFairness.swift", in: folder)
        for block in try MarkdownBlock.all(in: Self.tutorial) {
            let place: Comment = "\(Self.tutorial):\(block.line)"
            if block.language == "swift" { #expect(source.contains(block.text), place) }
            if block.language == "text" { #expect(shown.contains(block.text), place) }
        }
    }

    private func text(_ path: String, in folder: TestFolder) throws -> String {
        try String(contentsOfFile: "\(folder.path)/night-shift/\(path)", encoding: .utf8)
    }

    private func expectFaultsToBeTold(of folder: TestFolder) async throws {
        let path = "Sources/NightShiftFairness/NightShiftFairness.swift"
        let source = try text(path, in: folder)
        let library = "night-shift/.build/release/libNightShiftFairness.so"
        let described = try await burrow("burrow plugin describe --json \(library)", in: folder)
        #expect(try JSON(parsing: described.output)["policies"][0]["type"] == "night-shift")

        let end = "arrangement.order = turns.map(\\.index)"
        #expect(source.contains(end))
        try folder.write("night-shift/\(path)", source.replacing(end, with: end + ".dropLast()"))
        let broken = try await burrow("burrow plugin test night-shift --json", in: folder)
        #expect(broken.status == 1, "\(broken.errors)")
        let report = try JSON(parsing: broken.output)[0]
        #expect(report["passed"] == false)
        let total = report["policies"][0]["checks"].list.first { $0["rule"] == "total" }
        #expect(total?["result"] == "failed")
        #expect(total?["detail"].text?.contains("permutation") == true)

        let trap = "precondition(requests.count < 100)\n        \(end)"
        try folder.write("night-shift/\(path)", source.replacing(end, with: trap))
        let trapped = try await burrow("burrow plugin test night-shift", in: folder)
        #expect(trapped.status == 1)
        #expect(trapped.output.contains("total     trapped"), "\(trapped.output)")
        #expect(trapped.output.contains("total: the policy: it was ended by SIG"))

        let stall = "while requests.count > 100 { turns.removeAll() }\n        \(end)"
        try folder.write("night-shift/\(path)", source.replacing(end, with: stall))
        let stalled = try await burrow("burrow plugin test night-shift --timeout 2", in: folder)
        #expect(stalled.status == 1)
        #expect(stalled.output.contains("total: the policy: it did not answer for 2 s"))

        try Data("more".utf8).append(to: "\(folder.path)/\(library)")
        let stale = try await burrow("burrow plugin doctor \(library)", in: folder)
        #expect(stale.status == 0)
        #expect(stale.output.contains("about another build"), "\(stale.output)")
        let unknown = try await burrow("burrow plugin describe \(library)", in: folder)
        #expect(unknown.status == 1 && unknown.errors.contains("burrow plugin build"))

        try folder.write("night-shift/\(path)", source + "\nlet fault: Int = \"\"\n")
        let failed = try await burrow("burrow plugin build night-shift", in: folder)
        #expect(failed.status == 1 && failed.errors.contains("error:"))
        #expect(failed.output.isEmpty)
    }

    private func expectNothingToBeWrittenOver(in folder: TestFolder) async throws {
        let again = try await burrow("burrow plugin new night-shift --kind gating", in: folder)
        #expect(again.status == 1 && again.errors.contains("there already"))
        let named = try await burrow("burrow plugin new NightShift --kind gating", in: folder)
        #expect(named.status == 1 && named.errors.contains("as 'night-shift'"))
        let taken = try await burrow("burrow plugin new lru --kind residency", in: folder)
        #expect(taken.status == 1 && taken.errors.contains("built in"))
        let kind = try await burrow("burrow plugin new day-shift --kind fair", in: folder)
        #expect(kind.status == 64 && kind.errors.contains("residency"))
        let sdk = try await burrow(
            "BURROW_SDK=/nowhere burrow plugin new day-shift --kind fairness", in: folder)
        #expect(sdk.status == 1 && sdk.errors.contains("/nowhere"))
        let none = try await burrow("burrow plugin test day-shift", in: folder)
        #expect(none.status == 1 && none.errors.contains("burrow plugin new"))
    }

    /// The worked example, which names PolicyKit relative to itself.
    @Test func theExampleConformsAndItsManifestIsValid() async throws {
        let folder = try TestFolder()
        try folder.link("Sources", to: "\(Built.repository)/Sources")
        for name in ["model", "adapters"] {
            try folder.link("Samples/\(name)", to: "\(Built.samples)/\(name)")
        }
        let files = ["Package.swift", "manifest.yaml", "Sources", "Tests"]
        for name in files {
            try folder.copy(
                "\(Built.samples)/CustomPolicy/\(name)", to: "Samples/CustomPolicy/\(name)")
        }
        let tested = try await burrow("burrow plugin test Samples/CustomPolicy", in: folder)
        #expect(tested.status == 0, "\(tested.output)\n\(tested.errors)")
        let valid = try await burrow(
            "burrow validate Samples/CustomPolicy/manifest.yaml", in: folder)
        #expect(valid.status == 0, "\(valid.errors)")
    }

    @Test func theDoctorTellsProgramsWhatItFound() async throws {
        let folder = try TestFolder()
        let text = try folder.write("libText.so", "no library")
        let result = try await run(
            Built.burrow, ["plugin", "doctor", "--json", text, "\(Built.folder)/libMergedOnly.so"],
            in: folder)
        #expect(result.status == 1)
        let reports = try JSON(parsing: result.output).list
        #expect(reports.map { $0["loadable"] } == [false, true])
        #expect(reports[0]["findings"][0]["code"] == "notELF")
        #expect(reports[1]["interface"].number != nil)
        let whole = try await run(Built.burrow, ["plugin", "doctor", folder.path], in: folder)
        #expect(whole.status == 1 && whole.output.contains("not an ELF file"))
    }
}

extension Data {
    fileprivate func append(to path: String) throws {
        let file = try FileHandle(forWritingTo: URL(fileURLWithPath: path))
        try file.seekToEnd()
        try file.write(contentsOf: self)
        try file.close()
    }
}
