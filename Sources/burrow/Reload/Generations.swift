// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import Hosting

struct Generations: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show what has been in force on a running host, and what was refused.")

    @OptionGroup var host: HostOptions

    func run() throws {
        let body = try host.client.get("/admin/generations")
        let records: [GenerationRecord]
        do {
            records = try JSONDecoder().decode([GenerationRecord].self, from: body)
        } catch {
            throw fail("the host is of another version: \(error)")
        }
        guard !host.json else { return say(try burrow.json(records)) }
        var table = TextTable(header: ["GENERATION", "WHEN", "OUTCOME", "BY", "DIGEST", "WHAT"])
        for record in records {
            table.append([
                record.number.map(String.init) ?? "-", Self.time(record.at),
                record.outcome.text, record.origin.rawValue, record.digest ?? "-", record.what,
            ])
        }
        say(table.text)
    }

    private static func time(_ seconds: Double) -> String {
        Date(timeIntervalSince1970: seconds).ISO8601Format()
    }
}

extension GenerationRecord.Outcome {
    fileprivate var text: String { self == .rolledBack ? "rolled back" : rawValue }
}

extension GenerationRecord {
    /// The first of what changed, or why nothing did.
    fileprivate var what: String {
        if let reason {
            let first = reason.split(separator: "\n").first.map(String.init) ?? reason
            return failedStage.map { "\($0.rawValue): \(first)" } ?? first
        }
        guard let first = changes.first else { return "-" }
        return changes.count == 1
            ? first.description : "\(first.description) and \(changes.count - 1) more"
    }
}
