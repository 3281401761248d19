// SPDX-License-Identifier: Apache-2.0

import TestSupport

/// Finds the functions of a formatted Swift file by their indentation.
struct Functions {
    struct Function {
        var line: Int
        var lineCount: Int
        var parameterCount: Int
        var isInitializer: Bool
    }

    static func inFile(_ path: String) throws -> [Function] {
        find(in: try Repository.lines(path))
    }

    /// The formatter puts the closing brace at the indentation of the declaration's first line.
    static func find(in lines: [Substring]) -> [Function] {
        var functions: [Function] = []
        for (start, line) in lines.enumerated() {
            let indentation = line.prefix { $0 == " " }
            guard declaresFunction(line.dropFirst(indentation.count)) else { continue }
            let closing = indentation + "}"
            guard let end = lines[start...].firstIndex(where: { $0 == closing }),
                !endsBefore(end, from: start, indentation: indentation, in: lines)
            else { continue }
            functions.append(
                Function(
                    line: start + 1, lineCount: end - start - 1,
                    parameterCount: parameters(of: lines[start...end]),
                    isInitializer: line.contains("init(") || line.contains("init?(")))
        }
        return functions
    }

    /// Whether the closing brace is another's: the declaration at `start` has no body.
    private static func endsBefore(
        _ end: Int, from start: Int, indentation: Substring, in lines: [Substring]
    ) -> Bool {
        lines[start..<end].dropFirst().contains { line in
            let own = line.prefix { $0 == " " }
            if line.isEmpty || own.count > indentation.count { return false }
            let goesOn = [")", "where ", "{"].contains { line.dropFirst(own.count).hasPrefix($0) }
            return own.count < indentation.count || !goesOn
        }
    }

    static func declaresFunction(_ line: Substring) -> Bool {
        let words = line.split(separator: " ")
        let modifiers: Set<Substring> = [
            "public", "package", "internal", "private", "fileprivate", "static", "mutating",
            "final", "override", "nonisolated", "convenience", "required", "borrowing",
            "consuming", "isolated", "@inlinable", "@Test", "@MainActor",
        ]
        let first = words.first { !modifiers.contains($0) && !$0.hasPrefix("@") }
        guard let first else { return false }
        return first == "func" || first.hasPrefix("init(") || first.hasPrefix("init?(")
    }

    /// Colons at the first level of the parameter list: one a parameter.
    static func parameters(of lines: ArraySlice<Substring>) -> Int {
        let text = lines.joined(separator: "\n").replacing("->", with: "")
        var list = text[...]
        // A generic clause may stand before the list.
        var angles = 0
        while let character = list.popFirst() {
            if character == "<" { angles += 1 }
            if character == ">" { angles -= 1 }
            if character == "(", angles == 0 { break }
        }
        var depth = 1
        var count = 0
        for character in list {
            switch character {
            case "(", "[", "<", "{": depth += 1
            case ")", "]", ">", "}": depth -= 1
            case ":" where depth == 1: count += 1
            default: break
            }
            if depth == 0 { break }
        }
        return count
    }
}
