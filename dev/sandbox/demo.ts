import type { ConcurModel } from './model/concur-model.ts';

/** Companies with stable ids, so that a bookmark or a script finds them again. Each has an administrator and a colleague. */
export const demoCompanies = [
  {
    id: '8568a4cd-8ffc-49d6-9417-be2d69aa0001',
    name: 'Aurora Outdoor Supply',
    domain: 'aurora-outdoor.example',
    dataCentre: 'us2',
    users: [
      ['9bdded51-00b8-4f84-8bef-6d3afe720101', 'Ada Winters', true],
      ['9bdded51-00b8-4f84-8bef-6d3afe720102', 'Ben Okafor', false],
    ],
  },
  {
    id: '8568a4cd-8ffc-49d6-9417-be2d69aa0002',
    name: 'Hansekontor Maschinenbau',
    domain: 'hansekontor.example',
    dataCentre: 'eu2',
    users: [
      ['9bdded51-00b8-4f84-8bef-6d3afe720201', 'Greta Lindqvist', true],
      ['9bdded51-00b8-4f84-8bef-6d3afe720202', 'Jonas Brandt', false],
    ],
  },
  {
    id: '8568a4cd-8ffc-49d6-9417-be2d69aa0003',
    name: 'Sakura Components',
    domain: 'sakura-components.example',
    dataCentre: 'apj1',
    users: [
      ['9bdded51-00b8-4f84-8bef-6d3afe720301', 'Haruka Mori', true],
      ['9bdded51-00b8-4f84-8bef-6d3afe720302', 'Kenji Sato', false],
    ],
  },
  {
    id: '8568a4cd-8ffc-49d6-9417-be2d69aa0004',
    name: 'Kestrel Biotech',
    domain: 'kestrel-biotech.example',
    dataCentre: 'eu2',
    users: [
      ['9bdded51-00b8-4f84-8bef-6d3afe720401', 'Maeve Byrne', true],
      ['9bdded51-00b8-4f84-8bef-6d3afe720402', 'Tom Achterberg', false],
    ],
  },
  {
    id: '8568a4cd-8ffc-49d6-9417-be2d69aa0005',
    name: 'Meridian Hotels',
    domain: 'meridian-hotels.example',
    dataCentre: 'us2',
    users: [
      ['9bdded51-00b8-4f84-8bef-6d3afe720501', 'Lucia Ferreira', true],
      ['9bdded51-00b8-4f84-8bef-6d3afe720502', 'Omar Haddad', false],
    ],
  },
] as const;

/** The app that a sandbox has when nobody named one. Its secret is no secret: it opens this sandbox alone. */
export const demoApp = {
  clientId: '5a1d0c0e-7e57-4a99-9c0d-e5a9db0c0001',
  clientSecret: 'sandbox-demo-client-secret',
  name: 'Demo ERP',
  connectUri: 'http://localhost:8080/connect/demo',
} as const;

/** Puts the demo companies into an empty model; where a data centre is missing, the first one takes its company. */
export function seedDemoCompanies(model: ConcurModel): void {
  for (const { users, dataCentre, ...company } of demoCompanies) {
    const home = model.dataCentres.includes(dataCentre) ? dataCentre : undefined;
    model.directory.addCompany({ ...company, dataCentre: home });
    for (const [id, displayName, webServicesAdmin] of users) {
      model.directory.addUser({ id, companyId: company.id, displayName, webServicesAdmin });
    }
  }
}
