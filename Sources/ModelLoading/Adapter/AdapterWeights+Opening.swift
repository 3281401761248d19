// SPDX-License-Identifier: Apache-2.0

extension AdapterWeights {
    /// The file of an adapter's folder that holds its factors.
    package static let weightsFile = "adapter_model.safetensors"

    /// The file that says what they are.
    package static let configurationFile = "adapter_config.json"

    /// Reads and checks a folder that PEFT saved: `adapter_config.json` and
    /// `adapter_model.safetensors`.
    ///
    /// Without its `values`, the factors are not read but for their sizes: for an adapter that is
    /// packed next, since packing checks what it reads.
    ///
    /// The error names everything that speaks against the adapter. `baseNames` are the names that
    /// the base model goes by: an adapter that was trained for another one gets a note, since the
    /// shapes decide.
    package static func open(
        folder: String, name: String, for model: ModelConfiguration, baseNames: [String] = [],
        values: Bool = true
    ) throws(ModelLoadingError) -> AdapterWeights {
        try FolderListing.checkName(name, path: folder)
        let reading = AdapterReading(folder: folder, model: model, values: values)
        if let error = ModelLoadingError.joining(reading.problems) { throw error }
        guard let plan = reading.plan, !reading.sites.isEmpty else {
            throw ModelLoadingError(
                .missingTensor, "holds no low-rank factor for any layer", path: folder)
        }
        return AdapterWeights(
            name: name, path: folder, sites: reading.sites,
            notes: notes(plan, baseNames: baseNames), baseModelName: plan.baseModelName)
    }

    private static func notes(_ plan: AdapterPlan, baseNames: [String]) -> [String] {
        func lastComponent(_ name: String) -> String {
            let parts = name.split { $0 == "/" || $0 == "\\" }
            return parts.last.map { $0.lowercased() } ?? ""
        }
        guard let trained = plan.baseModelName, !lastComponent(trained).isEmpty,
            !baseNames.isEmpty, !baseNames.map(lastComponent).contains(lastComponent(trained))
        else { return [] }
        return [
            "it was trained for \"\(trained)\", and the base model here is "
                + "\"\(baseNames[0])\"; the shapes fit"
        ]
    }
}
