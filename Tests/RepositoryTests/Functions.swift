// SPDX-License-Identifier: Apache-2.0

/// Finds the functions of a formatted Swift file by their indentation.
struct Functions {
    struct Function {
        var line: Int
        var lineCount: Int
        var parameterCount: Int
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
            guard
                let end = lines[start...].firstIndex(where: { $0 == closing }),
                !lines[start..<end].dropFirst().contains(where: {
                    $0.hasPrefix(indentation) && declaresFunction($0.dropFirst(indentation.count))
                })
            else { continue }
            functions.append(
                Function(
                    line: start + 1, lineCount: end - start - 1,
                    parameterCount: parameters(of: lines[start...end])))
        }
        return functions
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
        var depth = 0
        var count = 0
        for character in lines.joined(separator: "\n") {
            switch character {
            case "(", "[", "<": depth += 1
            case ")", "]", ">":
                depth -= 1
                if depth == 0, character == ")" { return count }
            case ":" where depth == 1: count += 1
            case "{" where depth == 0: return count
            default: break
            }
        }
        return count
    }
}
