// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import Hosting

extension ExitCode {
    /// A plan would change something.
    static let hasChanges = ExitCode(2)

    /// The manifest, or something that it names, is at fault (`EX_CONFIG`).
    static let badConfiguration = ExitCode(78)
}

/// Writes to standard error, which machines that read standard output do not see.
func complain(_ text: String) {
    FileHandle.standardError.write(Data((text + "\n").utf8))
}

/// Writes a line to standard output.
func say(_ text: String) {
    FileHandle.standardOutput.write(Data((text + "\n").utf8))
}

/// Runs `body`, which is on the main thread as `main` is synchronous, and turns its errors into
/// messages and exit codes.
func onMainThread<Value: Sendable>(
    reporting report: (HostError) -> Void = { complain($0.description) },
    _ body: @MainActor () throws(HostError) -> Value
) throws -> Value {
    do {
        return try MainActor.assumeIsolated { try body() }
    } catch let error as HostError {
        report(error)
        switch error.code {
        case .badConfiguration: throw ExitCode.badConfiguration
        case .cannotStart: throw ExitCode.failure
        }
    }
}

/// A value as indented JSON.
func json(_ value: some Encodable) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    return String(decoding: try encoder.encode(value), as: UTF8.self)
}
