/** Name and version under which the tracer and the meter are asked for. The test holds the version to package.json. */
export const scopeName = 'meshfetch';
/** Version of this package. */
export const scopeVersion = '0.1.0';
