// SPDX-License-Identifier: Apache-2.0

internal import Foundation
package import ModelLoading

/// The outcome of a composition: an adapter in memory, and how near it is to what was asked for.
package struct ComposedAdapter: Sendable {
    package let adapter: AdapterWeights
    package let report: CompositionReport
    private let model: ModelConfiguration
    private let type: SafetensorsWriter.ElementType

    /// The file beside the adapter's that says how it came about.
    package static let reportName = "composition.json"

    init(
        name: String, _ sites: [SiteComposition], by composition: AdapterComposition
    ) throws(CompositionError) {
        model = composition.model
        type = composition.type
        let names = Set(composition.adapters.map(\.adapter.baseModelName))
        var factors: [AdapterSite: LoRAFactors] = [:]
        for site in sites {
            factors[site.site] = LoRAFactors(
                site: site.site, rank: site.rank, scale: 1, a: site.a, b: site.b)
        }
        adapter = try reading { () throws(ModelLoadingError) in
            try AdapterWeights(
                name: name, computed: factors, for: composition.model,
                baseModelName: names.count == 1 ? names.first ?? nil : nil)
        }
        report = CompositionReport(sites, by: composition)
    }

    /// Writes the adapter and its report into a new folder, which is there only once it is whole.
    ///
    /// - Throws: `notWritten`, also where the folder exists.
    package func write(
        to folder: String, report: CompositionReport? = nil
    ) throws(CompositionError) {
        let files = FileManager.default
        let target = URL(fileURLWithPath: folder).standardizedFileURL
        guard !files.fileExists(atPath: target.path) else {
            throw CompositionError(
                .notWritten, "is there already; name a folder that is not", at: folder)
        }
        // Hidden, so that a host that lists the directory passes it over.
        let draft = target.deletingLastPathComponent().appendingPathComponent(
            ".\(target.lastPathComponent).\(UUID().uuidString)")
        defer { try? files.removeItem(at: draft) }
        do {
            try files.createDirectory(at: draft, withIntermediateDirectories: true)
            try adapter.write(to: draft.path, for: model, as: type)
            try Data(json(report ?? self.report)).write(
                to: draft.appendingPathComponent(Self.reportName))
            try files.moveItem(at: draft, to: target)
        } catch let error as ModelLoadingError {
            throw CompositionError(error)
        } catch {
            throw CompositionError(.notWritten, error.localizedDescription, at: folder)
        }
    }

    private func json(_ report: CompositionReport) throws -> Data {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return try encoder.encode(report) + Data("\n".utf8)
    }
}
