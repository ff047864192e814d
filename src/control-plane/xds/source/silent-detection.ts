import type { ClusterConfig } from '../../../model/cluster.ts';
import { safeOutlierDetection } from '../../safe-defaults.ts';
import type { XdsSourceOptions } from '../source.ts';

/**
 * What becomes of every cluster: the preset's word, and the mesh's own outlier detection where the server says nothing of any. A cluster
 * that says how its detection is off keeps that.
 */
export function adaptationOf({
  adaptCluster = (cluster) => cluster,
  outlierDetection = 'always',
}: Pick<XdsSourceOptions, 'adaptCluster' | 'outlierDetection'>): (cluster: ClusterConfig) => ClusterConfig {
  if (outlierDetection === 'as-configured') return adaptCluster;
  return (cluster) => {
    const adapted = adaptCluster(cluster);
    return adapted.outlierDetection === undefined ? { ...adapted, outlierDetection: safeOutlierDetection } : adapted;
  };
}
