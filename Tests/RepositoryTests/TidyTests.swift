// SPDX-License-Identifier: Apache-2.0

import Foundation
import TestSupport
import Testing

/// House rules that a reader would otherwise have to enforce by hand.
struct TidyTests {
    static let swift = Repository.files(
        in: ["Sources", "Plugins", "Tests", "Samples"], endings: [".swift"])
    static let c = Repository.files(in: ["Sources"], endings: [".c", ".h"])

    @Test func everySourceFileBeginsWithItsLicence() throws {
        for file in Self.swift + Self.c where !file.hasSuffix("Package.swift") {
            let first = try Repository.lines(file).first ?? ""
            #expect(
                first == "// SPDX-License-Identifier: Apache-2.0",
                "\(file):1: error: the first line names the licence")
        }
    }

    @Test func filesStayUnder400Lines() throws {
        for file in Self.swift + Self.c {
            let count = try Repository.lines(file).count
            #expect(count <= 401, "\(file):\(count): error: split by concept")
        }
    }

    /// The initializer of a value names all that the value holds, and a fixture all that a test may
    /// want to vary.
    @Test func functionsStayUnder50LinesAndFiveParameters() throws {
        for file in Self.swift {
            for function in try Functions.inFile(file) {
                #expect(
                    function.lineCount <= 50,
                    "\(file):\(function.line): error: \(function.lineCount) lines; split it")
                #expect(
                    function.parameterCount <= 5 || function.isInitializer
                        || file.hasPrefix("Tests/"),
                    "\(file):\(function.line): error: more than five parameters; use a struct")
            }
        }
    }

    /// The formatter sees to Swift.
    @Test func linesOfCAreAtMost100Columns() throws {
        for file in Self.c {
            for (number, line) in try Repository.lines(file).enumerated() where line.count > 100 {
                Issue.record("\(file):\(number + 1): error: \(line.count) columns")
            }
        }
    }

    @Test func noFileIsNamedAfterNothing() {
        let banned = [
            "Manager", "Helper", "Helpers", "Util", "Utils", "Utilities", "Data", "Info",
            "Wrapper", "Common", "Base", "Impl", "Misc",
        ]
        for file in Self.swift {
            let name = file.split(separator: "/").last?.dropLast(6) ?? ""
            for word in banned where name.hasSuffix(word) {
                Issue.record("\(file):1: error: name the state it owns, not '\(word)'")
            }
        }
    }

    @Test func nothingIsLeftForLater() throws {
        let marks = ["TO" + "DO", "FIX" + "ME", "X" + "XX"]
        for file in Self.swift + Self.c {
            for (number, line) in try Repository.lines(file).enumerated() {
                let words = line.split { !$0.isLetter }
                for mark in marks where words.contains(Substring(mark)) {
                    Issue.record("\(file):\(number + 1): error: '\(mark)' is left over")
                }
            }
        }
    }

    @Test func pluginsHaveTheirReadme() throws {
        let sections = [
            "## Type", "## Summary", "## When to choose it", "## Parameters", "## Behaviour",
            "## Trade-offs", "## Example manifest",
        ]
        let plugins = try FileManager.default.contentsOfDirectory(
            atPath: Repository.path(of: "Plugins"))
        #expect(!plugins.isEmpty)
        for plugin in plugins {
            let text = try Repository.text("Plugins/\(plugin)/README.md")
            for section in sections where !text.contains("\n\(section)\n") {
                Issue.record("Plugins/\(plugin)/README.md:1: error: no section '\(section)'")
            }
        }
    }
}
